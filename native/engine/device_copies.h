// Copies of batches to a device that go on while the host does something else. What they read from is kept until they are done.
//
// Lifetime rules, each with the bug that it prevents:
// 1. A source is released only when a mark that the device was given after the copy has passed. A batch's memory goes back to the loader's
//    pool with its last tensor: released earlier, the next batch would be written into it while the device still reads it.
// 2. That also holds when a later copy of the same call fails: those before it are under way.
// 3. Sources whose mark could not be made are kept until drain(): nothing else says when the device is done with them.
// 4. drain() runs before the device's library goes: a mark may not outlive it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <atomic>
#include <memory>
#include <vector>

namespace siam::engine {

/// A point in a device's work.
class DeviceMark {
 public:
  virtual ~DeviceMark() = default;
  /// Whether the device has come past it. Never waits.
  virtual bool passed() const = 0;
  virtual void wait() const = 0;
};

/// What a device does for us; tests have one of their own.
class CopyDevice {
 public:
  virtual ~CopyDevice() = default;
  /// Begins a copy of `source`, which must stay as it is until a mark made afterwards has passed.
  virtual at::Tensor start(const at::Tensor& source, c10::Device device) = 0;
  virtual std::unique_ptr<DeviceMark> mark(c10::Device device) = 0;
};

/// libtorch's devices: non-blocking copies on a stream of their own, which the current stream waits for.
std::shared_ptr<CopyDevice> torch_device();

/// One for an environment. Thread: engine, but for held(), and for drain() once the engine has stopped.
class DeviceCopies {
 public:
  explicit DeviceCopies(std::shared_ptr<CopyDevice> device = torch_device()) : device_(std::move(device)) {}
  ~DeviceCopies() { drain(); }
  DeviceCopies(const DeviceCopies&) = delete;
  DeviceCopies& operator=(const DeviceCopies&) = delete;

  /// The tensors on `device`, where work that is given to it from now on finds their values. Those that are there already are returned as
  /// they are. Also releases what earlier calls have kept and the device is done with.
  std::vector<at::Tensor> to(const std::vector<at::Tensor>& sources, c10::Device device);

  /// Releases the sources of copies that are done, without waiting.
  void release_passed();

  /// Waits for all copies and releases their sources.
  void drain() noexcept;

  /// Tensors that are kept. Any thread.
  size_t held() const { return held_.load(std::memory_order_relaxed); }

  /// Waits for what the device in use has begun and goes on with another one.
  void use(std::shared_ptr<CopyDevice> device);

 private:
  struct Kept {
    std::vector<at::Tensor> sources;
    std::unique_ptr<DeviceMark> mark;  ///< null: it could not be made
  };

  void keep(std::vector<at::Tensor> sources, c10::Device device);
  void count();

  std::shared_ptr<CopyDevice> device_;
  std::vector<Kept> kept_;
  std::atomic<size_t> held_{0};
};

}  // namespace siam::engine
