// Promises of work that waits for disks.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <utility>

#include "addon_env.h"

namespace siam::binding {

/// Work on libuv's pool: it waits for disks, which neither JavaScript nor the engine should.
template <class T>
class PoolWork : public Napi::AsyncWorker {
 public:
  using Work = std::function<T()>;
  using Convert = std::function<Napi::Value(Napi::Env, T&)>;
  PoolWork(Napi::Env env, const char* operation, Work work, Convert convert)
      : Napi::AsyncWorker(env, operation), operation_(operation), deferred_(env), work_(std::move(work)), convert_(std::move(convert)) {}

  static Napi::Value Run(Napi::Env env, const char* operation, Work work, Convert convert) {
    auto* worker = new PoolWork(env, operation, std::move(work), std::move(convert));  // deletes itself
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (...) {
      failure_ = current_failure(operation_);
    }
  }
  void OnOK() override {
    if (failure_) {
      deferred_.Reject(AddonEnv::of(Env()).make_error(Env(), *failure_));
    } else {
      deferred_.Resolve(convert_(Env(), *result_));
    }
  }

 private:
  const char* operation_;
  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<T> result_;
  std::optional<Failure> failure_;
};

}  // namespace siam::binding
