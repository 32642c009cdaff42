// State of the addon in one Node environment (main thread or worker_thread): nothing static owns a tensor.
//
// Lifetime, in the order that matters:
//  1. shut_down() refuses new work, closes the loaders, stops and joins the engine thread. After it no thread of ours can call into Node or
//     libtorch. Two things call it, for neither sees every end of an environment:
//     a. the 'exit' event (lib/native/load.ts calls shutDown()): the event loop ran dry, process.exit(), an uncaught error. The last two run
//        none of the hooks in (b) on the main thread: exit() then destroyed libtorch's statics under the running engine (SIGSEGV).
//     b. the cleanup hook: a worker_thread that was terminated. It is added after the thread-safe function, so it runs before that one's own.
//     Batches that a device still reads are waited for then, on the calling thread: no event of ours outlives the device's library.
//  2. Promises still pending then are never settled: their environment is gone.
//  3. Handles' finalizers may run after that; releasing a tensor without an engine thread frees it in place.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../engine/device_copies.h"
#include "../engine/engine_thread.h"

namespace siam::binding {

/// What an engine task or a loader reports when it failed.
struct Failure {
  std::string code;
  std::string message;
  std::string file;
};

/// Translates the exception being handled: SiamException, c10 errors (out of memory apart), bad_alloc, anything else.
/// @param operation names the stage call in messages that libtorch wrote
Failure current_failure(const char* operation);

class AddonEnv : public Napi::Addon<AddonEnv> {
 public:
  AddonEnv(Napi::Env env, Napi::Object exports);
  ~AddonEnv();

  static AddonEnv& of(Napi::Env env) { return *env.GetInstanceData<AddonEnv>(); }

  /// Queues a task on the engine thread whose failure is reported by the next promise.
  void post(const char* operation, std::function<void()> task);

  /// Runs `work` on the engine thread; the promise resolves with what `convert` makes of its result on the JavaScript thread.
  template <class T>
  Napi::Value run(Napi::Env env, const char* operation, std::function<T()> work, std::function<Napi::Value(Napi::Env, T&)> convert);

  /// The same for work that returns nothing; resolves with undefined.
  Napi::Value run_void(Napi::Env env, const char* operation, std::function<void()> work);

  /// For promises that another thread of ours settles (the loader's): begin_pending on the JavaScript thread, then exactly one settle.
  /// @returns false when the environment is shutting down
  bool begin_pending(Napi::Env env);
  void end_pending(Napi::Env env);
  /// From any thread: runs `completion` on the JavaScript thread and ends one pending.
  void settle(std::function<void(Napi::Env)> completion);

  /// Something that must be closed before the environment goes (a loader's threads).
  void add_closable(void* key, std::function<void()> close);
  void remove_closable(void* key);

  /// An error value made by the factory that lib/native/load.ts set (a SiamError), or a plain Error with `code`.
  Napi::Value make_error(Napi::Env env, const Failure& failure);
  [[noreturn]] void throw_error(Napi::Env env, const Failure& failure);

  /// Destroys `object` on the engine thread (graphs and big tensors are not freed on the JavaScript thread).
  template <class T>
  void release_on_engine(std::shared_ptr<T> object) {
    if (!object) return;
    auto* raw = new std::shared_ptr<T>(std::move(object));
    if (!engine_->post([raw] { delete raw; })) delete raw;
  }

  Napi::FunctionReference tensor_class, model_class, loss_class, sgd_class, scaler_class, ema_class, loader_class, index_file_class, pack_class, pack_job_class, frame_cache_class, tracker_class, multi_tracker_class,
      process_group_class, gradient_reducer_class, step_graph_class;
  engine::DeviceCopies device_copies;  // engine thread
  /// Ranks that wait for others block the engine thread; this ends the wait, at a signal and when the environment goes.
  const std::shared_ptr<std::atomic<bool>> meetings_cancelled = std::make_shared<std::atomic<bool>>(false);
  int64_t live_handles = 0;  // JavaScript thread only

 private:
  static void on_cleanup(void* self);
  void shut_down();
  Napi::Value js_shut_down(const Napi::CallbackInfo& info);
  void drain(Napi::Env env);
  std::optional<Failure> take_deferred_failure();
  Napi::Value set_error_factory(const Napi::CallbackInfo& info);

  Napi::FunctionReference error_factory_;
  Napi::ThreadSafeFunction completions_tsfn_;
  std::mutex completions_mutex_;
  std::vector<std::function<void(Napi::Env)>> completions_;
  std::mutex failure_mutex_;
  std::optional<Failure> deferred_failure_;
  int64_t pending_ = 0;  // JavaScript thread only; > 0 keeps the event loop alive
  bool closed_ = false;
  std::vector<std::pair<void*, std::function<void()>>> closables_;
  std::unique_ptr<engine::EngineThread> engine_;
};

template <class T>
Napi::Value AddonEnv::run(Napi::Env env, const char* operation, std::function<T()> work, std::function<Napi::Value(Napi::Env, T&)> convert) {
  auto deferred = std::make_shared<Napi::Promise::Deferred>(env);
  Napi::Promise promise = deferred->Promise();
  auto job = [this, operation, deferred, work = std::move(work), convert = std::move(convert)]() mutable {
    auto failure = std::make_shared<std::optional<Failure>>(take_deferred_failure());
    auto result = std::make_shared<std::optional<T>>();
    if (!failure->has_value()) {
      try {
        result->emplace(work());
      } catch (...) {
        *failure = current_failure(operation);
      }
    }
    work = nullptr;  // tensors that the closure held go here, on the engine thread
    settle([this, deferred, failure, result, convert = std::move(convert)](Napi::Env env) {
      if (failure->has_value()) {
        deferred->Reject(make_error(env, **failure));
        return;
      }
      try {
        deferred->Resolve(convert(env, **result));
      } catch (const Napi::Error& error) {
        deferred->Reject(error.Value());
      }
    });
  };
  if (!begin_pending(env)) {
    deferred->Reject(make_error(env, Failure{"ERR_ABORTED", std::string(operation) + ": the environment is shutting down", ""}));
  } else if (!engine_->post(std::move(job))) {
    end_pending(env);
    deferred->Reject(make_error(env, Failure{"ERR_ABORTED", std::string(operation) + ": the engine has stopped", ""}));
  }
  return promise;
}

}  // namespace siam::binding
