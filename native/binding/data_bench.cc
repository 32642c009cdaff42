#include "data_bench.h"

#include <algorithm>
#include <utility>

#include "../data/decode_limit.h"
#include "convert.h"
#include "data_spec.h"
#include "pool_work.h"

namespace siam::binding {

Napi::Value measure_decode_limit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  try {
    const auto spec = info[0].As<Napi::Object>(), options = info[1].As<Napi::Object>();
    const auto sampler = std::make_shared<const data::PairSampler>(datasets_from_js(spec.Get("datasets")), sampler_from_js(spec));
    const data::LoaderConfig config = loader_from_js(spec);
    const uint32_t samples = number<uint32_t>(options, "samples");
    const int threads = number<int>(options, "threads");
    const double seconds = number<double>(options, "seconds");
    return PoolWork<data::DecodeLimitRun>::Run(
        env, "measureDecodeLimit",
        [=] {
          const uint32_t first = config.start_sample % config.samples_per_epoch;
          const uint32_t count = std::min(samples, config.samples_per_epoch - first);
          const data::DecodeLimit limit(sampler, std::make_shared<data::FileStore>(sampler), config.sample, config.start_epoch, first, count);
          return limit.Run(threads, seconds);
        },
        [](Napi::Env e, data::DecodeLimitRun& run) -> Napi::Value {
          auto object = Napi::Object::New(e);
          object.Set("pairs", Napi::Number::New(e, static_cast<double>(run.pairs)));
          object.Set("regions", Napi::Number::New(e, static_cast<double>(run.regions)));
          object.Set("seconds", Napi::Number::New(e, static_cast<double>(run.wall) * 1e-9));
          object.Set("cpuSeconds", Napi::Number::New(e, static_cast<double>(run.cpu) * 1e-9));
          return object;
        });
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    AddonEnv::of(env).throw_error(env, current_failure("measureDecodeLimit"));
  }
}

}  // namespace siam::binding
