#include "tracker_spec.h"

#include <utility>

#include "../base/error.h"
#include "../tracking/lt_tracker.h"
#include "../tracking/multi_temp_tracker.h"
#include "../tracking/one_shot_detector.h"
#include "../tracking/online/online_tracker.h"
#include "convert.h"
#include "online.h"

namespace siam::binding {
namespace {

tracking::TrackerOptions common_options(const Napi::Object& spec) {
  tracking::TrackerOptions options;
  options.total_stride = number<int>(spec, "totalStride");
  options.context_amount = number<double>(spec, "contextAmount");
  options.test_lr = number<double>(spec, "testLr");
  options.penalty_k = number<double>(spec, "penaltyK");
  options.window_influence = number<double>(spec, "windowInfluence");
  options.cosine_window = text(spec, "windowing") == "cosine";
  options.z_size = number<int>(spec, "zSize");
  options.x_size = number<int>(spec, "xSize");
  options.num_conv3x3 = number<int>(spec, "numConv3x3");
  options.min_w = number<double>(spec, "minW");
  options.min_h = number<double>(spec, "minH");
  return options;
}

tracking::TemplateMemoryOptions memory_options(const Napi::Object& spec) {
  tracking::TemplateMemoryOptions memory;
  memory.step = number<int>(spec, "memStep");
  memory.length = number<int>(spec, "memLen");
  memory.coef = number<double>(spec, "memCoef");
  memory.sink_index = number<int>(spec, "memSinkIdx");
  memory.renew = boolean(spec, "memRenew");
  return memory;
}

tracking::LongTermOptions long_term_options(const Napi::Object& spec) {
  tracking::LongTermOptions options;
  options.score_low = number<double>(spec, "lostScoreThLow");
  options.score_high = number<double>(spec, "lostScoreThHigh");
  options.search_size = number<int>(spec, "lostSearchSize");
  return options;
}

}  // namespace

MakeTracker tracker_maker(const Napi::Object& spec) {
  using Network = std::shared_ptr<tracking::Network>;
  using Reader = std::shared_ptr<tracking::FrameReader>;
  const std::string kind = text(spec, "kind");
  const auto options = common_options(spec);
  if (kind == "siamfcpp") {
    return [options](Network network, Reader reader) { return std::make_shared<tracking::SiamFcppTracker>(std::move(network), options, std::move(reader)); };
  }
  if (kind == "one-shot") {
    return [options](Network network, Reader reader) { return std::make_shared<tracking::OneShotDetector>(std::move(network), options, std::move(reader)); };
  }
  if (kind == "multi-temp") {
    const auto memory = memory_options(spec);
    return [options, memory](Network network, Reader reader) { return std::make_shared<tracking::MultiTempTracker>(std::move(network), options, memory, std::move(reader)); };
  }
  if (kind == "lt") {
    const auto long_term = long_term_options(spec);
    return [options, long_term](Network network, Reader reader) { return std::make_shared<tracking::LongTermTracker>(std::move(network), options, long_term, std::move(reader)); };
  }
  if (kind == "online") {
    const auto online = online_options_from_js(spec.Get("online").As<Napi::Object>());
    return [options, online](Network network, Reader reader) {
      return std::make_shared<tracking::online::SiamFcppOnlineTracker>(std::move(network), options, online, std::move(reader));
    };
  }
  throw SiamException("ERR_ARGUMENT", "createTracker: there is no tracker of the kind " + kind);
}

}  // namespace siam::binding
