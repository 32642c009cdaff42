// One long-lived thread on which every libtorch call of an environment runs, in FIFO order.
//
// Why a thread of our own: grad mode, autocast, the current stream and the OpenMP team are thread-local, and libuv's pool rotates threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace siam::engine {

class EngineThread {
 public:
  EngineThread();
  /// Drops what is queued, lets the running task end, joins.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  /// Queues a task. @returns false (and drops the task) once stop() was called.
  bool post(std::function<void()> task);

  /// Refuses new work, drops queued tasks, joins. Safe to call twice; never from the engine thread itself.
  void stop();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::thread thread_;  // last member: starts when all above are there, and is joined before they go
};

}  // namespace siam::engine
