// Threads that work through a list of tasks: writing, verifying and estimating packs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "../../base/error.h"

namespace siam::data {

class PackJob {
 public:
  using Task = std::function<void(size_t number)>;
  /// Called once in each thread: what it returns does the tasks that the thread takes, and owns the thread's decoders and buffers.
  using MakeWorker = std::function<Task(PackJob& job)>;
  /// Of the tasks that failed before the others had stopped, the first one's error; ERR_ABORTED when the job was stopped.
  using Done = std::function<void(std::optional<SiamException> error)>;

  PackJob(size_t tasks, int threads, MakeWorker make_worker);
  /// As Close().
  ~PackJob();
  PackJob(const PackJob&) = delete;
  PackJob& operator=(const PackJob&) = delete;

  /// Runs the tasks, in order of their numbers. Once only.
  /// @param finish  runs on the last thread when all tasks are done     @param done  called once, there; must not block or destroy the job
  void Start(std::function<void()> finish, Done done);

  /// Asks the threads to stop; those in a task look at Stopping(). Thread: any.
  void Stop() { stopping_.store(true); }
  bool Stopping() const { return stopping_.load(std::memory_order_relaxed); }
  /// For tasks, every few milliseconds. @throws ERR_ABORTED when the job stops, or another task failed
  void ThrowIfStopping() const;

  /// Stops and joins. Idempotent. Thread: any but a worker.
  void Close();

  // What has been done so far.
  std::atomic<uint64_t> rows{0};     ///< frames, bad ones included
  std::atomic<uint64_t> reused{0};   ///< of those: found done by an earlier run
  std::atomic<uint64_t> bad{0};      ///< of those: could not be used
  std::atomic<uint64_t> bytes{0};    ///< of shards

 private:
  void Work();
  void Guard(const std::function<void()>& work, const size_t& task);
  void Leave(int threads);
  void Fail(size_t task, const SiamException& error);

  const size_t tasks_;
  const int thread_count_;
  const MakeWorker make_worker_;
  std::function<void()> finish_;
  Done done_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::atomic<size_t> next_{0};
  std::atomic<int> running_{0};
  std::mutex mutex_, close_mutex_;
  size_t failed_task_ = 0;
  std::optional<SiamException> error_;
  std::vector<std::thread> threads_;  // last: threads use everything above
};

}  // namespace siam::data
