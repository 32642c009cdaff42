#include "device_copies.h"

#include <ATen/Functions.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <utility>

namespace siam::engine {
namespace {

class EventMark final : public DeviceMark {
 public:
  explicit EventMark(c10::Stream stream) : event_(stream.device_type()) { event_.record(stream); }
  bool passed() const override { return event_.query(); }
  void wait() const override { event_.synchronize(); }
  /// Work that `stream` is given from now on begins after the mark.
  void hold(c10::Stream stream) const { event_.block(stream); }

 private:
  c10::Event event_;
};

/// Of copies that the host waited for.
class PassedMark final : public DeviceMark {
 public:
  bool passed() const override { return true; }
  void wait() const override {}
};

/// Copies run on a stream of their own, so that a batch travels while the device computes with the one before it.
class TorchDevice final : public CopyDevice {
 public:
  at::Tensor start(const at::Tensor& source, c10::Device device) override {
    if (device == source.device() || (device.type() == source.device().type() && !device.has_index())) return source;
    if (device.is_cpu()) return source.to(device);  // read from there at once: the host waits
    const c10::Stream computing = stream_of(device), copying = side_stream(computing.device());
    at::Tensor copy;
    {
      const c10::StreamGuard guard(copying);
      copy = source.to(computing.device(), source.scalar_type(), /*non_blocking=*/true);
    }
    // The allocator gives the copy's memory to the next one when it is freed, on the copying stream, which knows nothing of what still reads it.
    copy.record_stream(computing);
    return copy;
  }

  std::unique_ptr<DeviceMark> mark(c10::Device device) override {
    if (device.is_cpu()) return std::make_unique<PassedMark>();
    auto mark = std::make_unique<EventMark>(side_stream(device));
    mark->hold(stream_of(device));
    return mark;
  }

 private:
  static c10::Stream stream_of(c10::Device device) {
    const c10::impl::VirtualGuardImpl backend(device.type());
    return backend.getStream(device.has_index() ? device : backend.getDevice());
  }

  c10::Stream side_stream(c10::Device device) {
    const auto found = side_streams_.find(device.index());
    if (found != side_streams_.end()) return found->second;
    const c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, /*isHighPriority=*/true);
    return side_streams_.emplace(device.index(), stream).first->second;
  }

  std::map<c10::DeviceIndex, c10::Stream> side_streams_;
};

}  // namespace

std::shared_ptr<CopyDevice> torch_device() { return std::make_shared<TorchDevice>(); }

std::vector<at::Tensor> DeviceCopies::to(const std::vector<at::Tensor>& sources, c10::Device device) {
  release_passed();
  std::vector<at::Tensor> copies, reading;
  c10::Device there = device;
  try {
    for (const at::Tensor& source : sources) {
      copies.push_back(device_->start(source, device));
      if (copies.back().is_same(source)) continue;
      there = copies.back().device();  // with its index, which "cuda" alone lacks
      reading.push_back(source);
    }
  } catch (...) {
    keep(std::move(reading), there);
    throw;
  }
  keep(std::move(reading), there);
  return copies;
}

void DeviceCopies::keep(std::vector<at::Tensor> sources, c10::Device device) {
  if (sources.empty()) return;
  kept_.push_back({std::move(sources), nullptr});
  count();
  kept_.back().mark = device_->mark(device);
}

void DeviceCopies::release_passed() {
  // All are asked before anything moves: asking throws where the device failed.
  std::vector<char> passed;
  for (const Kept& kept : kept_) passed.push_back(kept.mark && kept.mark->passed() ? 1 : 0);
  std::vector<Kept> waiting, done;
  for (size_t i = 0; i < passed.size(); ++i) (passed[i] ? done : waiting).push_back(std::move(kept_[i]));
  kept_ = std::move(waiting);
  count();
}

void DeviceCopies::drain() noexcept {
  for (const Kept& kept : kept_) {
    try {
      if (kept.mark) kept.mark->wait();
    } catch (...) {
      // A device that failed reads nothing any more.
    }
  }
  kept_.clear();
  count();
}

void DeviceCopies::use(std::shared_ptr<CopyDevice> device) {
  drain();
  device_ = std::move(device);
}

void DeviceCopies::count() {
  size_t sum = 0;
  for (const Kept& kept : kept_) sum += kept.sources.size();
  held_.store(sum, std::memory_order_relaxed);
}

}  // namespace siam::engine
