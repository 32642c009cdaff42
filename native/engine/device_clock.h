// Time that a device spends on stages of work, by events in its stream. The host waits for nothing while it goes on.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace siam::engine {

/// Thread: engine. Stages may follow one another and repeat; they do not nest.
class DeviceClock {
 public:
  /// @throws ERR_DEVICE for the CPU, whose work has no stream, and for a device that is not there
  explicit DeviceClock(c10::Device device);

  /// Marks the beginning and the end of a stage in the device's current stream.
  void begin(const std::string& stage);
  void end();

  /// Seconds by stage since the last call, each the sum of its spans. Waits until the device has come past the last of them: free when
  /// something after it was read already.
  std::map<std::string, double> take();

  /// Forgets what was marked since the last take().
  void drop();

 private:
  using EventPtr = std::unique_ptr<c10::Event>;
  struct Span {
    std::string stage;
    EventPtr first, last;
  };

  EventPtr mark();

  c10::Device device_;
  std::vector<Span> spans_;
  std::vector<EventPtr> spare_;  ///< to be recorded again: making one takes the driver longer than recording it
};

}  // namespace siam::engine
