#include "late_device.h"

#include <ATen/Functions.h>

#include <cstring>

namespace siam::engine {

class LateDevice::Mark final : public DeviceMark {
 public:
  Mark(std::shared_ptr<LateDevice> device, uint64_t at) : device_(std::move(device)), at_(at) {}
  bool passed() const override {
    const std::lock_guard<std::mutex> lock(device_->mutex_);
    return device_->done_ >= at_;
  }
  void wait() const override { device_->finish(); }

 private:
  std::shared_ptr<LateDevice> device_;
  uint64_t at_;
};

at::Tensor LateDevice::start(const at::Tensor& source, c10::Device) {
  TORCH_CHECK(source.is_contiguous(), "a late copy needs a contiguous source");
  at::Tensor copy = at::empty_like(source);
  const std::lock_guard<std::mutex> lock(mutex_);
  ++begun_;
  jobs_.push_back({copy, source.const_data_ptr(), source.nbytes()});
  return copy;
}

std::unique_ptr<DeviceMark> LateDevice::mark(c10::Device) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::make_unique<Mark>(shared_from_this(), begun_);
}

void LateDevice::finish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Job& job : jobs_) std::memcpy(job.copy.mutable_data_ptr(), job.from, job.bytes);
  jobs_.clear();
  done_ = begun_;
}

}  // namespace siam::engine
