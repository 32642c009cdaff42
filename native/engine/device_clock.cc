#include "device_clock.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

#include "../base/error.h"
#include "cuda_runtime.h"

namespace siam::engine {

DeviceClock::DeviceClock(c10::Device device) : device_(device) {
  if (device.is_cpu()) throw SiamException("ERR_DEVICE", "DeviceClock: expected a CUDA device but received 'cpu', whose time is the wall's");
  require_device(device);
}

DeviceClock::EventPtr DeviceClock::mark() {
  EventPtr event;
  if (spare_.empty()) {
    event = std::make_unique<c10::Event>(device_.type(), c10::EventFlag::BACKEND_DEFAULT);  // the other flag leaves out the time
  } else {
    event = std::move(spare_.back());
    spare_.pop_back();
  }
  event->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  return event;
}

void DeviceClock::begin(const std::string& stage) { spans_.push_back({stage, mark(), nullptr}); }

void DeviceClock::end() {
  if (spans_.empty() || spans_.back().last) throw SiamException("ERR_ARGUMENT", "DeviceClock.end: expected a stage that was begun");
  spans_.back().last = mark();
}

std::map<std::string, double> DeviceClock::take() {
  std::map<std::string, double> seconds;
  for (const Span& span : spans_) {
    if (!span.last) continue;  // a stage that threw
    span.last->synchronize();
    seconds[span.stage] += span.first->elapsedTime(*span.last) / 1000;
  }
  drop();
  return seconds;
}

void DeviceClock::drop() {
  for (Span& span : spans_) {
    spare_.push_back(std::move(span.first));
    if (span.last) spare_.push_back(std::move(span.last));
  }
  spans_.clear();
}

}  // namespace siam::engine
