#include "device_copies.h"

#include <ATen/Functions.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace siam::engine {
namespace {

class EventMark final : public DeviceMark {
 public:
  explicit EventMark(c10::Device device) : event_(device.type()) { event_.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device)); }
  bool passed() const override { return event_.query(); }
  void wait() const override { event_.synchronize(); }

 private:
  c10::Event event_;
};

class TorchDevice final : public CopyDevice {
 public:
  at::Tensor start(const at::Tensor& source, c10::Device device) override { return source.to(device, source.scalar_type(), /*non_blocking=*/true); }
  std::unique_ptr<DeviceMark> mark(c10::Device device) override { return std::make_unique<EventMark>(device); }
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
