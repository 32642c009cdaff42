#include "data_pack_job.h"

#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "../base/error.h"
#include "../data/pack/pack_estimate.h"
#include "../data/pack/pack_verify.h"
#include "../data/pack/pack_writer.h"
#include "../data/pack/tar_format.h"
#include "convert.h"
#include "data_spec.h"
#include "guarded.h"

namespace siam::binding {

const napi_type_tag PackJobHandle::kTag = {0x9e3a54d1b07c4f86, 0xa4c2f1873d6e905b};

namespace {

Napi::Number js(Napi::Env env, double value) { return Napi::Number::New(env, value); }
Napi::Number js(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

std::shared_ptr<const data::DatasetIndex> dataset_of(const Napi::Object& spec, const char* key) {
  auto array = Napi::Array::New(spec.Env(), 1);
  array.Set(0u, spec.Get(key));
  return datasets_from_js(array).front();
}

data::PackConfig picture_of(const Napi::Object& spec) {
  const data::CropConfig crop = crop_from_js(spec.Get("crop"));
  data::PackConfig config;
  config.context_amount = crop.context_amount;
  config.z_size = crop.z_size;
  config.context_factor = number<double>(spec, "contextFactor");
  config.density = number<double>(spec, "density");
  config.quality = number<int>(spec, "quality");
  config.subsampling = text(spec, "subsampling") == "444" ? data::tj::kSubsampling444 : data::tj::kSubsampling420;
  return config;
}

Napi::Object bad_frame(Napi::Env env, const data::BadFrame& frame, const data::MemberNames& names) {
  const data::DatasetIndex::Place place = names.PlaceOf(frame.row);
  auto entry = Napi::Object::New(env);
  entry.Set("sequence", js(env, uint64_t{place.sequence}));
  entry.Set("frame", js(env, uint64_t{place.frame}));
  entry.Set("code", frame.code);
  entry.Set("file", frame.file);
  entry.Set("message", frame.message);
  return entry;
}

Napi::Value writer_result(Napi::Env env, const data::PackWriter& writer) {
  auto shards = Napi::Array::New(env);
  auto bad = Napi::Array::New(env);
  uint32_t shown = 0;
  for (const data::ShardResult& shard : writer.shards()) {
    auto object = Napi::Object::New(env);
    object.Set("bytes", js(env, shard.bytes));
    object.Set("entries", js(env, shard.entries));
    object.Set("bad", js(env, shard.bad));
    object.Set("reused", Napi::Boolean::New(env, shard.reused));
    shards.Set(shards.Length(), object);
    for (const data::BadFrame& frame : shard.bad_frames) {
      if (shown == data::PackWriter::kMaxBadKept) break;
      bad.Set(shown++, bad_frame(env, frame, writer.names()));
    }
  }
  auto result = Napi::Object::New(env);
  result.Set("shards", shards);
  result.Set("badFrames", bad);
  result.Set("tableBytes", js(env, writer.table_bytes()));
  return result;
}

Napi::Value estimate_result(Napi::Env env, const data::PackEstimate& estimate) {
  auto samples = Napi::Array::New(env);
  for (const data::PackEstimate::Sample& sample : estimate.samples()) {
    const Napi::HandleScope scope(env);
    auto object = Napi::Object::New(env);
    object.Set("usable", Napi::Boolean::New(env, sample.usable));
    object.Set("copied", Napi::Boolean::New(env, sample.copied));
    object.Set("bytes", js(env, sample.bytes));
    object.Set("frameBytes", js(env, sample.frame_bytes));
    object.Set("cpuSeconds", js(env, sample.cpu_seconds));
    object.Set("width", js(env, static_cast<double>(sample.width)));
    object.Set("height", js(env, static_cast<double>(sample.height)));
    if (!sample.usable) object.Set("bad", bad_frame(env, sample.bad, estimate.names()));
    samples.Set(samples.Length(), object);
  }
  return samples;
}

Napi::Value verifier_result(Napi::Env env, const data::PackVerifier& verifier) {
  auto problems = Napi::Array::New(env);
  for (const data::PackVerifier::Problem& problem : verifier.problems()) {
    auto object = Napi::Object::New(env);
    object.Set("shard", problem.shard);
    object.Set("member", problem.what.member);
    object.Set("message", problem.what.message);
    problems.Set(problems.Length(), object);
  }
  auto result = Napi::Object::New(env);
  result.Set("problems", problems);
  result.Set("problemCount", js(env, verifier.problem_count()));
  result.Set("memberProblemCount", js(env, verifier.member_problem_count()));
  return result;
}

void expect_argument(bool holds, const char* what) {
  if (!holds) throw SiamException("ERR_ARGUMENT", std::string("Expected ") + what);
}

/// @param result  of the worker, when its job is done
template <class Worker, class Result>
std::shared_ptr<PackWork> work_of(std::shared_ptr<Worker> worker, Result result) {
  auto work = std::make_shared<PackWork>();
  Worker* raw = worker.get();
  work->job = &raw->job();
  work->start = [raw](data::PackJob::Done done) { raw->Start(std::move(done)); };
  work->result = [raw, result](Napi::Env env) { return result(env, *raw); };
  work->owner = std::move(worker);
  return work;
}

}  // namespace

void PackJobHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.pack_job_class = Napi::Persistent(DefineClass(
      env, kName,
      {InstanceMethod<&PackJobHandle::run>("run"), InstanceMethod<&PackJobHandle::progress>("progress"), InstanceMethod<&PackJobHandle::stop>("stop")}));
}

PackJobHandle::~PackJobHandle() {
  auto* addon = Env().GetInstanceData<AddonEnv>();
  if (addon != nullptr && object_) addon->remove_closable(object_.get());
}

Napi::Value PackJobHandle::create(Napi::Env env, std::shared_ptr<PackWork> work) {
  AddonEnv& addon = AddonEnv::of(env);
  auto* raw = work.get();
  const Napi::Object handle = wrap(env, addon.pack_job_class, std::move(work));
  // The environment's end waits for the frame that each thread is at; raw, so that a job that nobody holds is not kept alive.
  addon.add_closable(raw, [raw] { raw->job->Close(); });
  return handle;
}

Napi::Value PackJobHandle::create_writer(const Napi::CallbackInfo& info) {
  try {
    const auto spec = info[0].As<Napi::Object>();
    data::PackWriterConfig config;
    config.folder = text(spec, "folder");
    config.work_folder = text(spec, "workFolder");
    config.shards = number<uint32_t>(spec, "shards");
    config.threads = number<int>(spec, "threads");
    config.strict = boolean(spec, "strict");
    config.max_bad = number<uint64_t>(spec, "maxBad");
    config.picture = picture_of(spec);
    return create(info.Env(), work_of(std::make_shared<data::PackWriter>(dataset_of(spec, "frames"), dataset_of(spec, "members"), config), writer_result));
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    AddonEnv::of(info.Env()).throw_error(info.Env(), current_failure("createPackWriter"));
  }
}

Napi::Value PackJobHandle::create_estimate(const Napi::CallbackInfo& info) {
  try {
    const auto spec = info[0].As<Napi::Object>();
    const auto members = dataset_of(spec, "members");
    std::vector<uint64_t> rows;
    if (spec.Has("rows")) {
      const auto listed = spec.Get("rows").As<Napi::Float64Array>();
      for (size_t i = 0; i < listed.ElementLength(); i++) rows.push_back(static_cast<uint64_t>(listed[i]));
    } else {
      rows = data::PackEstimate::EvenlySpread(members->rows(), number<uint64_t>(spec, "samples"));
    }
    return create(info.Env(), work_of(std::make_shared<data::PackEstimate>(dataset_of(spec, "frames"), members, picture_of(spec), rows, number<int>(spec, "threads")),
                                      estimate_result));
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    AddonEnv::of(info.Env()).throw_error(info.Env(), current_failure("createPackEstimate"));
  }
}

Napi::Value PackJobHandle::create_verifier(const Napi::CallbackInfo& info) {
  try {
    const auto spec = info[0].As<Napi::Object>();
    const auto listed = spec.Get("shards").As<Napi::Array>();
    std::vector<data::PackShard> shards;
    std::vector<uint64_t> entries;
    for (uint32_t i = 0; i < listed.Length(); i++) {
      const Napi::HandleScope scope(info.Env());
      const auto shard = listed.Get(i).As<Napi::Object>();
      shards.push_back({text(shard, "path"), number<uint64_t>(shard, "bytes")});
      entries.push_back(number<uint64_t>(shard, "entries"));
    }
    return create(info.Env(), work_of(std::make_shared<data::PackVerifier>(text(spec, "table"), std::move(shards), entries, dataset_of(spec, "members"),
                                                                           number<int>(spec, "threads"), number<size_t>(spec, "keep")),
                                      verifier_result));
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    AddonEnv::of(info.Env()).throw_error(info.Env(), current_failure("createPackVerifier"));
  }
}

Napi::Value PackJobHandle::run(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  AddonEnv& addon = AddonEnv::of(env);
  const auto work = get("run");
  auto deferred = std::make_shared<Napi::Promise::Deferred>(env);
  const Napi::Promise promise = deferred->Promise();
  if (!addon.begin_pending(env)) {
    deferred->Reject(addon.make_error(env, {"ERR_ABORTED", "run: the environment is shutting down", ""}));
    return promise;
  }
  // The handle stays alive while its threads run: were one of them the last to own the job, it would have to join itself.
  Ref();
  work->start([this, &addon, deferred](std::optional<SiamException> error) {
    addon.settle([this, &addon, deferred, error = std::move(error)](Napi::Env e) {
      object_->job->Close();
      addon.remove_closable(object_.get());
      if (error) {
        deferred->Reject(addon.make_error(e, {error->code(), error->what(), error->file()}));
      } else {
        deferred->Resolve(object_->result(e));
      }
      Unref();
    });
  });
  return promise;
}

Napi::Value PackJobHandle::progress(const Napi::CallbackInfo& info) {
  const data::PackJob& job = *get("progress")->job;
  auto object = Napi::Object::New(info.Env());
  object.Set("rows", js(info.Env(), job.rows.load()));
  object.Set("reused", js(info.Env(), job.reused.load()));
  object.Set("bad", js(info.Env(), job.bad.load()));
  object.Set("bytes", js(info.Env(), job.bytes.load()));
  return object;
}

Napi::Value PackJobHandle::stop(const Napi::CallbackInfo& info) {
  get("stop")->job->Stop();
  return info.Env().Undefined();
}

Napi::Value pack_plan(const Napi::CallbackInfo& info) {
  return guarded(info, "packPlan", [&]() -> Napi::Value {
    Napi::Env env = info.Env();
    const auto box = info[0].As<Napi::Float32Array>();
    expect_argument(box.ElementLength() == 4, "a box of 4 corners");
    const auto at = [&](size_t i) { return info[i].As<Napi::Number>().Int32Value(); };
    expect_argument(at(1) >= 1 && at(2) >= 1, "a frame of at least 1 × 1 pixels");
    const data::PackConfig config = picture_of(info[3].As<Napi::Object>());
    const bool copied = info[4].IsNumber();
    const data::McuSize source = data::McuOf(copied ? at(4) : 0), own = data::McuOf(config.subsampling);
    expect_argument(source.width > 0, "a subsampling of TurboJPEG from 0 to 6");
    const data::PicturePlan plan = data::PlanPicture({box[0], box[1], box[2], box[3]}, at(1), at(2), config, copied ? &source : nullptr, own);
    const data::McuSize& mcu = copied && !plan.reduced ? source : own;
    auto object = Napi::Object::New(env);
    object.Set("reduced", Napi::Boolean::New(env, plan.reduced));
    object.Set("width", js(env, static_cast<double>(plan.width)));
    object.Set("height", js(env, static_cast<double>(plan.height)));
    const std::pair<const char*, const data::GridAxis*> axes[] = {{"x", &plan.grid.x}, {"y", &plan.grid.y}};
    for (const auto& [name, axis] : axes) {
      auto grid = Napi::Object::New(env);
      grid.Set("origin", js(env, axis->origin));
      grid.Set("step", js(env, axis->step));
      object.Set(name, grid);
    }
    const int mcus = (plan.width + mcu.width - 1) / mcu.width;
    object.Set("mcus", js(env, static_cast<double>(mcus)));
    object.Set("restartInterval", js(env, static_cast<double>(data::RestartInterval(mcus, mcu.width))));
    return object;
  });
}

Napi::Value tar_header(const Napi::CallbackInfo& info) {
  return guarded(info, "tarHeader", [&]() -> Napi::Value {
    const int64_t bytes = info[1].As<Napi::Number>().Int64Value();
    expect_argument(bytes >= 0, "a size of at least 0 bytes");
    const std::string header = data::TarHeader(info[0].As<Napi::String>().Utf8Value(), static_cast<uint64_t>(bytes));
    return Napi::Buffer<char>::Copy(info.Env(), header.data(), header.size());
  });
}

Napi::Value lock_file(const Napi::CallbackInfo& info) {
  if (flock(info[0].As<Napi::Number>().Int32Value(), LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
  AddonEnv::of(info.Env()).throw_error(info.Env(), {"ERR_IO", std::string("a file cannot be locked: ") + std::strerror(errno), ""});
}

}  // namespace siam::binding
