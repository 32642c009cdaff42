#include "engine_thread.h"

#include "cuda_runtime.h"
#include "host_allocator.h"

#include <pthread.h>

namespace siam::engine {

EngineThread::EngineThread() : thread_([this] { loop(); }) {
  pthread_setname_np(thread_.native_handle(), "siam-engine");
  HostAllocator::install();
}

EngineThread::~EngineThread() { stop(); }

bool EngineThread::post(std::function<void()> task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void EngineThread::stop() {
  std::deque<std::function<void()>> dropped;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  // `dropped` (and the tensors that its tasks hold) goes only now: no task runs beside its destruction.
}

void EngineThread::loop() {
  cuda_runtime();  // before any other call of libtorch: see there
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace siam::engine
