#include "pack_job.h"

#include <algorithm>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace siam::data {

PackJob::PackJob(size_t tasks, int threads, MakeWorker make_worker)
    : tasks_(tasks), thread_count_(static_cast<int>(std::clamp<size_t>(static_cast<size_t>(std::max(threads, 1)), 1, std::max<size_t>(tasks, 1)))),
      make_worker_(std::move(make_worker)) {}

PackJob::~PackJob() { Close(); }

void PackJob::Start(std::function<void()> finish, Done done) {
  finish_ = std::move(finish);
  done_ = std::move(done);
  running_ = thread_count_;
  int started = 0;
  try {
    for (; started < thread_count_; ++started) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error& error) {
    // Fewer threads do the same work.
    if (started == 0) Fail(0, SiamException("ERR_INTERNAL", std::string("no thread can be started: ") + error.what()));
    Leave(thread_count_ - started);
  }
}

void PackJob::ThrowIfStopping() const {
  if (Stopping() || failed_) throw SiamException("ERR_ABORTED", "the work was stopped");
}

void PackJob::Fail(size_t task, const SiamException& error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool aborted = error.code() == "ERR_ABORTED";
  // What failed says more than the stop that followed it.
  if (!error_ || (error_->code() == "ERR_ABORTED" && !aborted) || (!aborted && task < failed_task_)) {
    error_ = error;
    failed_task_ = task;
  }
  failed_ = true;
}

void PackJob::Guard(const std::function<void()>& work, const size_t& task) {
  try {
    work();
  } catch (const SiamException& error) {
    Fail(task, error);
  } catch (const std::bad_alloc&) {
    Fail(task, SiamException("ERR_INTERNAL", "there is not enough memory"));
  } catch (const std::exception& error) {
    Fail(task, SiamException("ERR_INTERNAL", error.what()));
  }
}

void PackJob::Work() {
  size_t task = 0;
  Guard(
      [&] {
        const Task worker = make_worker_(*this);
        while ((task = next_.fetch_add(1)) < tasks_) {
          ThrowIfStopping();
          worker(task);
        }
      },
      task);
  Leave(1);
}

void PackJob::Leave(int threads) {
  if (running_.fetch_sub(threads) != threads) return;
  if (!failed_) Guard([&] { finish_(); }, tasks_);
  std::optional<SiamException> error;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    error = error_;
  }
  done_(std::move(error));
}

void PackJob::Close() {
  Stop();
  const std::lock_guard<std::mutex> lock(close_mutex_);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace siam::data
