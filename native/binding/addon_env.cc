#include "addon_env.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <new>

#include "../base/error.h"
#include "registration.h"

namespace siam::binding {

namespace {

/// What c10d and gloo throw out of the middle of a backward pass, when another rank is gone or late.
bool is_of_the_ranks(const std::exception& error) {
  const std::string text = error.what();
  return dynamic_cast<const c10::DistError*>(&error) != nullptr || text.find("/gloo/") != std::string::npos || text.find("NCCL") != std::string::npos;
}

}  // namespace

Failure current_failure(const char* operation) {
  const std::string prefix = std::string(operation) + ": ";
  try {
    throw;
  } catch (const SiamException& error) {
    return {error.code(), error.what(), error.file()};
  } catch (const c10::OutOfMemoryError& error) {
    return {"ERR_DEVICE_OOM", prefix + error.what_without_backtrace(), ""};
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    if (is_of_the_ranks(error)) return {"ERR_DISTRIBUTED", prefix + text, ""};
    const bool no_memory = text.find("can't allocate memory") != std::string::npos || text.find("out of memory") != std::string::npos;
    return {no_memory ? "ERR_DEVICE_OOM" : "ERR_TORCH", prefix + text, ""};
  } catch (const std::bad_alloc&) {
    return {"ERR_DEVICE_OOM", prefix + "no memory left on the host", ""};
  } catch (const std::exception& error) {
    // gloo's messages begin with the place in its sources.
    const std::string text = error.what();
    const size_t place = text.rfind("[/", 0) == 0 ? text.find("] ") : std::string::npos;
    return {is_of_the_ranks(error) ? "ERR_DISTRIBUTED" : "ERR_TORCH", prefix + (place == std::string::npos ? text : text.substr(place + 2)), ""};
  } catch (...) {
    return {"ERR_INTERNAL", prefix + "unknown failure", ""};
  }
}

AddonEnv::AddonEnv(Napi::Env env, Napi::Object exports) {
  engine_ = std::make_unique<engine::EngineThread>();
  completions_tsfn_ = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "siam-completions", 0, 1);
  completions_tsfn_.Unref(env);  // an idle addon never keeps the process alive
  napi_add_env_cleanup_hook(env, &AddonEnv::on_cleanup, this);
  DefineAddon(exports, {InstanceMethod("setErrorFactory", &AddonEnv::set_error_factory), InstanceMethod("shutDown", &AddonEnv::js_shut_down)});
  register_all(env, exports, *this);
}

AddonEnv::~AddonEnv() { shut_down(); }

void AddonEnv::on_cleanup(void* self) { static_cast<AddonEnv*>(self)->shut_down(); }

Napi::Value AddonEnv::js_shut_down(const Napi::CallbackInfo& info) {
  shut_down();
  return info.Env().Undefined();
}

void AddonEnv::shut_down() {
  if (closed_) return;
  closed_ = true;
  *meetings_cancelled = true;
  auto closables = std::move(closables_);
  closables_.clear();
  for (auto& entry : closables) entry.second();
  engine_->stop();
  device_copies.drain();
  std::lock_guard<std::mutex> lock(completions_mutex_);
  completions_.clear();
}

void AddonEnv::post(const char* operation, std::function<void()> task) {
  engine_->post([this, operation, task = std::move(task)]() mutable {
    try {
      task();
    } catch (...) {
      Failure failure = current_failure(operation);
      std::lock_guard<std::mutex> lock(failure_mutex_);
      if (!deferred_failure_) deferred_failure_ = std::move(failure);
    }
  });
}

std::optional<Failure> AddonEnv::take_deferred_failure() {
  std::lock_guard<std::mutex> lock(failure_mutex_);
  auto failure = std::move(deferred_failure_);
  deferred_failure_.reset();
  return failure;
}

Napi::Value AddonEnv::run_void(Napi::Env env, const char* operation, std::function<void()> work) {
  return run<bool>(
      env, operation,
      [work = std::move(work)] {
        work();
        return true;
      },
      [](Napi::Env e, bool&) -> Napi::Value { return e.Undefined(); });
}

bool AddonEnv::begin_pending(Napi::Env env) {
  if (closed_) return false;
  if (pending_++ == 0) completions_tsfn_.Ref(env);
  return true;
}

void AddonEnv::end_pending(Napi::Env env) {
  if (--pending_ == 0) completions_tsfn_.Unref(env);
}

void AddonEnv::settle(std::function<void(Napi::Env)> completion) {
  {
    std::lock_guard<std::mutex> lock(completions_mutex_);
    completions_.push_back(std::move(completion));
  }
  completions_tsfn_.NonBlockingCall([this](Napi::Env env, Napi::Function) { drain(env); });
}

void AddonEnv::drain(Napi::Env env) {
  std::vector<std::function<void(Napi::Env)>> ready;
  {
    std::lock_guard<std::mutex> lock(completions_mutex_);
    ready.swap(completions_);
  }
  for (auto& completion : ready) {
    try {
      Napi::HandleScope scope(env);
      completion(env);
      end_pending(env);
    } catch (const Napi::Error&) {
      // A worker_thread that is being terminated runs no JavaScript any more; nobody is left to be told.
    }
  }
}

void AddonEnv::add_closable(void* key, std::function<void()> close) { closables_.emplace_back(key, std::move(close)); }

void AddonEnv::remove_closable(void* key) {
  closables_.erase(std::remove_if(closables_.begin(), closables_.end(), [key](const auto& entry) { return entry.first == key; }), closables_.end());
}

Napi::Value AddonEnv::make_error(Napi::Env env, const Failure& failure) {
  if (!error_factory_.IsEmpty()) {
    const Napi::Value file = failure.file.empty() ? env.Undefined() : Napi::Value(Napi::String::New(env, failure.file));
    return error_factory_.Call({Napi::String::New(env, failure.code), Napi::String::New(env, failure.message), file});
  }
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", failure.code);
  return error.Value();
}

void AddonEnv::throw_error(Napi::Env env, const Failure& failure) { throw Napi::Error(env, make_error(env, failure)); }

Napi::Value AddonEnv::set_error_factory(const Napi::CallbackInfo& info) {
  error_factory_ = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

}  // namespace siam::binding

using siam::binding::AddonEnv;
NODE_API_ADDON(AddonEnv)
