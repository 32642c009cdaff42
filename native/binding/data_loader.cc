#include "data_loader.h"

#include <utility>

#include "../base/error.h"
#include "data_spec.h"
#include "tensor.h"

namespace siam::binding {

const napi_type_tag LoaderHandle::kTag = {0x2b8d07f4c1e94a63, 0xb7605dd19ac84e2f};

namespace {

using data::BatchBlock;

/// A tensor on a part of a batch's block. The block goes back to the loader's pool when the last such tensor is freed, and not before:
/// the model or autograd may read it long after the next batch was asked for.
template <class T>
TensorPtr part(const std::shared_ptr<BatchBlock>& block, T* memory, std::vector<int64_t> shape, at::ScalarType dtype) {
  return make_slot(at::from_blob(memory, shape, [owner = block](void*) mutable { owner.reset(); }, at::TensorOptions().dtype(dtype)));
}

Napi::Object batch_to_js(Napi::Env env, const data::Batch& batch) {
  const auto& shape = batch.block->shape();
  const data::SampleOutput parts = batch.block->Parts();
  const int64_t n = shape.samples, z = shape.z_size, x = shape.x_size, points = shape.points;
  const auto& block = batch.block;
  const std::vector<std::pair<std::string, TensorPtr>> tensors = {
      {"im_z", part(block, parts.im_z, {n, 3, z, z}, at::kByte)},
      {"im_x", part(block, parts.im_x, {n, 3, x, x}, at::kByte)},
      {"bbox_z", part(block, parts.bbox_z, {n, 4}, at::kFloat)},
      {"bbox_x", part(block, parts.bbox_x, {n, 4}, at::kFloat)},
      {"cls_gt", part(block, parts.cls, {n, points, 1}, at::kFloat)},
      {"ctr_gt", part(block, parts.ctr, {n, points, 1}, at::kFloat)},
      {"box_gt", part(block, parts.box, {n, points, 4}, at::kFloat)},
      {"is_negative_pair", part(block, parts.negative, {n}, at::kLong)},
  };
  auto object = Napi::Object::New(env);
  object.Set("epoch", Napi::Number::New(env, batch.epoch));
  object.Set("firstSample", Napi::Number::New(env, batch.first_sample));
  object.Set("tensors", tensors_to_js(env, tensors));
  return object;
}

/// Joins the loader's threads on libuv's pool: up to one sample's time, in which neither JavaScript nor the engine should wait.
class CloseWorker : public Napi::AsyncWorker {
 public:
  CloseWorker(Napi::Env env, std::shared_ptr<data::Loader> loader)
      : Napi::AsyncWorker(env, "siam-loader-close"), deferred_(env), loader_(std::move(loader)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }
  void Execute() override { loader_->Close(); }
  void OnOK() override {
    AddonEnv::of(Env()).remove_closable(loader_.get());
    deferred_.Resolve(Env().Undefined());
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<data::Loader> loader_;
};

}  // namespace

void LoaderHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.loader_class = Napi::Persistent(
      DefineClass(env, kName,
                  {InstanceMethod<&LoaderHandle::next>("next"), InstanceMethod<&LoaderHandle::stats>("stats"),
                   InstanceMethod<&LoaderHandle::take_skipped>("takeSkipped"), InstanceMethod<&LoaderHandle::close>("close")}));
}

LoaderHandle::~LoaderHandle() {
  // A loader that was dropped without close(): the cleanup hook must not reach it once it is gone.
  auto* addon = Env().GetInstanceData<AddonEnv>();
  if (addon != nullptr && object_) addon->remove_closable(object_.get());
}

Napi::Value LoaderHandle::create(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  AddonEnv& addon = AddonEnv::of(env);
  try {
    const auto spec = info[0].As<Napi::Object>();
    auto loader = std::make_shared<data::Loader>(datasets_from_js(spec.Get("datasets")), sampler_from_js(spec), loader_from_js(spec));
    // Raw on purpose: the hook must not keep an unreachable loader, with its threads and batches, alive.
    auto* raw = loader.get();
    const Napi::Object handle = wrap(env, addon.loader_class, std::move(loader));
    addon.add_closable(raw, [raw] { raw->Close(); });
    return handle;
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    addon.throw_error(env, current_failure("createLoader"));
  }
}

Napi::Value LoaderHandle::next(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  AddonEnv& addon = AddonEnv::of(env);
  const auto loader = get("next");
  auto deferred = std::make_shared<Napi::Promise::Deferred>(env);
  const Napi::Promise promise = deferred->Promise();
  if (!addon.begin_pending(env)) {
    deferred->Reject(addon.make_error(env, {"ERR_ABORTED", "next: the environment is shutting down", ""}));
    return promise;
  }
  // The handle stays alive while the promise is pending. It is the handle and not the loader that is kept: were the callback the last to
  // own the loader, a loader thread would have to join itself.
  Ref();
  loader->Next([this, &addon, deferred](std::optional<data::Batch> batch, std::optional<SiamException> error) {
    addon.settle([this, &addon, deferred, batch = std::move(batch), error = std::move(error)](Napi::Env e) {
      if (error) {
        deferred->Reject(addon.make_error(e, {error->code(), error->what(), error->file()}));
      } else {
        deferred->Resolve(batch_to_js(e, *batch));
      }
      Unref();
    });
  });
  return promise;
}

Napi::Value LoaderHandle::stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const data::LoaderStats stats = get("stats")->Stats();
  auto object = Napi::Object::New(env);
  const auto count = [&](const char* key, uint64_t value) { object.Set(key, Napi::Number::New(env, static_cast<double>(value))); };
  const auto seconds = [&](const char* key, uint64_t nanoseconds) { object.Set(key, Napi::Number::New(env, static_cast<double>(nanoseconds) * 1e-9)); };
  count("batches", stats.batches);
  count("samples", stats.samples);
  count("skipped", stats.skipped);
  count("skippedSamples", stats.skipped_samples);
  seconds("readSeconds", stats.times.read);
  seconds("decodeSeconds", stats.times.decode);
  seconds("meanSeconds", stats.times.mean);
  seconds("warpSeconds", stats.times.warp);
  seconds("cpuSeconds", stats.times.cpu);
  seconds("idleSeconds", stats.idle);
  seconds("waitSeconds", stats.wait);
  count("bytesRead", stats.times.bytes);
  count("wholeDecodes", stats.times.whole_decodes);
  count("regionDecodes", stats.times.region_decodes);
  count("queueDepthBatches", stats.queue_depth);
  count("threads", stats.threads);
  count("failedThreads", stats.failed_threads);
  seconds("busySeconds", stats.busy);
  count("readAheadThreads", stats.read_ahead.threads);
  count("readAheadFrames", stats.read_ahead.frames);
  count("readAheadBytes", stats.read_ahead.bytes);
  seconds("readAheadSeconds", stats.read_ahead.read);
  count("cacheHits", stats.cache.hits);
  count("cacheMisses", stats.cache.misses);
  count("cacheFrames", stats.cache.frames);
  count("cacheBytes", stats.cache.bytes);
  count("cacheLimitBytes", stats.cache.limit);
  return object;
}

Napi::Value LoaderHandle::take_skipped(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::vector<data::SkippedSample> skipped = get("takeSkipped")->TakeSkipped();
  auto array = Napi::Array::New(env, skipped.size());
  for (uint32_t i = 0; i < skipped.size(); i++) {
    auto object = Napi::Object::New(env);
    object.Set("epoch", Napi::Number::New(env, skipped[i].epoch));
    object.Set("sample", Napi::Number::New(env, skipped[i].sample));
    object.Set("attempt", Napi::Number::New(env, skipped[i].attempt));
    object.Set("file", skipped[i].file);
    object.Set("reason", skipped[i].reason);
    array.Set(i, object);
  }
  return array;
}

Napi::Value LoaderHandle::close(const Napi::CallbackInfo& info) {
  auto* worker = new CloseWorker(info.Env(), get("close"));  // deletes itself
  uncount(AddonEnv::of(info.Env()));  // its counters stay readable, but it holds nothing any more
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

}  // namespace siam::binding
