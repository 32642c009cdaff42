// NativeSgd.backward and NativeSgd.step of lib/native/addon.ts.
#include "ema.h"
#include "tensor.h"
#include "training.h"

namespace siam::binding {

namespace {

double number_or_zero(const Napi::Object& object, const char* key) { return object.Has(key) ? object.Get(key).As<Napi::Number>().DoubleValue() : 0; }

core::StepOptions step_options(const Napi::Value& value) {
  core::StepOptions options;
  if (!value.IsObject()) return options;
  const auto object = value.As<Napi::Object>();
  if (object.Get("scaler").IsObject()) options.scaler = GradScalerHandle::unwrap(object.Get("scaler"), "scaler");
  if (object.Get("ema").IsObject()) options.ema = EmaHandle::unwrap(object.Get("ema"), "ema");
  options.ema_decay = number_or_zero(object, "emaDecay");
  options.ema_warmup = number_or_zero(object, "emaWarmup");
  options.ema_updates = number_or_zero(object, "emaUpdates");
  options.clip_value = number_or_zero(object, "clipValue");
  options.clip_norm = number_or_zero(object, "clipNorm");
  return options;
}

struct Outcome {
  std::optional<core::StepOutcome::Known> known;
  TensorPtr flags, scale, grad_norm;
};

Napi::Value outcome_to_js(Napi::Env env, Outcome& outcome) {
  auto object = Napi::Object::New(env);
  const auto handle = [env](const TensorPtr& slot) -> Napi::Value { return slot ? Napi::Value(TensorHandle::wrap(env, slot)) : env.Null(); };
  object.Set("gradNorm", handle(outcome.grad_norm));
  object.Set("known", env.Null());
  object.Set("flags", handle(outcome.flags));
  object.Set("scale", handle(outcome.scale));
  if (!outcome.known) return object;
  auto known = Napi::Object::New(env);
  known.Set("skipped", outcome.known->skipped);
  known.Set("lossBad", outcome.known->loss_bad);
  known.Set("scale", outcome.known->scale ? Napi::Value(Napi::Number::New(env, *outcome.known->scale)) : env.Null());
  object.Set("known", known);
  return object;
}

}  // namespace

Napi::Value SgdHandle::backward(const Napi::CallbackInfo& info) {
  const auto sgd = get("backward");
  const TensorPtr loss = TensorHandle::unwrap(info[0], "loss");
  const double share = info[1].As<Napi::Number>().DoubleValue();
  const auto scaler = info[2].IsObject() ? GradScalerHandle::unwrap(info[2], "scaler") : nullptr;
  const auto parts = tensor_list_from_js(info[3], "parts");
  return AddonEnv::of(info.Env()).run_void(info.Env(), "backward", [sgd, loss, share, scaler, parts] {
    sgd->backward(loss->tensor, share, scaler.get());
    // The graph is consumed; the values stay readable. What a graph holds besides must not live as long as they do.
    loss->tensor = loss->tensor.detach();
    for (const auto& part : parts) part->tensor = part->tensor.detach();
  });
}

Napi::Value SgdHandle::step(const Napi::CallbackInfo& info) {
  const auto sgd = get("step");
  const core::StepOptions options = step_options(info[0]);
  return AddonEnv::of(info.Env()).run<Outcome>(
      info.Env(), "step",
      [sgd, options] {
        const core::StepOutcome outcome = sgd->step(options);
        const auto slot = [](const at::Tensor& tensor) { return tensor.defined() ? make_slot(tensor) : nullptr; };
        return Outcome{outcome.known, slot(outcome.flags), slot(outcome.scale), slot(outcome.grad_norm)};
      },
      outcome_to_js);
}

}  // namespace siam::binding
