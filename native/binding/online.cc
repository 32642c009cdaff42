#include "online.h"

#include <map>

#include "../tracking/online/augmentation.h"
#include "../tracking/online/classifier.h"
#include "../tracking/online/joint_problem.h"
#include "convert.h"
#include "tensor.h"

namespace siam::binding {
namespace {

using namespace tracking::online;
using Slots = std::vector<std::pair<std::string, TensorPtr>>;
using Tensors = std::map<std::string, at::Tensor>;
using tracking::Target;

/// The tensors behind the slots. Engine thread.
Tensors tensors_of(const Slots& slots) {
  Tensors tensors;
  for (const auto& [name, slot] : slots) tensors[name] = slot->tensor;
  return tensors;
}

Slots slots_of(const Tensors& tensors) {
  Slots slots;
  for (const auto& [name, tensor] : tensors) slots.emplace_back(name, make_slot(tensor));
  return slots;
}

Napi::Value to_js(Napi::Env env, Slots& slots) { return tensors_to_js(env, slots); }

at::Tensor find(const Tensors& tensors, const std::string& name) {
  const auto at = tensors.find(name);
  return at == tensors.end() ? at::Tensor() : at->second;
}

Model model_of(const Tensors& tensors, const std::string& prefix) {
  return {find(tensors, prefix + "filter"), find(tensors, prefix + "fc1"), find(tensors, prefix + "fc2"), find(tensors, prefix + "projection")};
}

void put_model(Tensors& tensors, const std::string& prefix, const Model& model) {
  for (const auto& [name, tensor] : {std::pair{"filter", model.filter}, std::pair{"fc1", model.fc1}, std::pair{"fc2", model.fc2}, std::pair{"projection", model.projection}}) {
    if (tensor.defined()) tensors[prefix + name] = tensor.clone();
  }
}

at::Tensor row_of(const std::vector<double>& values) { return at::tensor(at::ArrayRef<double>(values), at::kDouble).clone(); }

std::vector<Pair> shifts_of(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.to(at::kDouble).contiguous();
  std::vector<Pair> shifts;
  for (int64_t i = 0; i < rows.size(0); ++i) shifts.push_back({rows[i][0].item<double>(), rows[i][1].item<double>()});
  return shifts;
}

Target target_of(const at::Tensor& row) {
  const auto value = [&](int64_t i) { return row[i].item<float>(); };
  return {value(0), value(1), value(2), value(3)};
}

/// Jᵀ f and Jᵀ J p of the first frame's problem at `start`, on the samples that the classifier learned from.
void put_derivatives(Tensors& out, const Samples& samples, const Model& start, const Model& p, const OnlineOptions& options) {
  const auto problem = JointProblem::make(samples, options);
  problem->linearize(problem->pack(start));
  put_model(out, "gradient_", problem->unpack(problem->gradient()));
  put_model(out, "normal_", problem->unpack(problem->normal(problem->pack(p))));
}

Tensors replay(const OnlineOptions& options, int64_t x_size, double scale, const Tensors& in) {
  Tensors out;
  Classifier classifier(options, x_size);
  const Model start = model_of(in, "start_");
  classifier.initialize(in.at("features"), shifts_of(in.at("shifts")), target_of(in.at("target")), scale, start.filter.defined() ? std::optional<Model>(start) : std::nullopt);
  put_model(out, "init_", classifier.model());
  out["losses"] = row_of(classifier.losses());
  const Samples memory = classifier.memory().samples();
  out["labels"] = memory.y.clone();
  out["samples"] = memory.x.clone();
  if (find(in, "direction_filter").defined()) {
    const at::Tensor features = in.at("features").permute({0, 2, 3, 1}).flatten(1, 2).contiguous();
    put_derivatives(out, {features, memory.y, memory.weights}, start, model_of(in, "direction_"), options);
  }
  const at::Tensor frames = find(in, "frames");
  if (!frames.defined()) return out;
  std::vector<at::Tensor> maps, found, weights, filters;
  for (int64_t i = 0; i < frames.size(0); ++i) {
    const auto scores = classifier.score(frames.narrow(0, i, 1));
    classifier.learn(scores, target_of(in.at("targets")[i]));
    maps.push_back(scores.map);
    found.push_back(at::scalar_tensor(static_cast<double>(scores.found), at::kDouble));
    weights.push_back(row_of(classifier.memory().weights().values()));
    filters.push_back(classifier.model().filter.clone());
  }
  out["maps"] = at::stack(maps);
  out["found"] = at::stack(found);
  out["weights"] = at::stack(weights);
  out["filters"] = at::stack(filters);
  return out;
}

Napi::Value replay_online(const Napi::CallbackInfo& info) {
  const auto options = online_options_from_js(info[0].As<Napi::Object>());
  const auto x_size = info[1].As<Napi::Number>().Int64Value();
  const double scale = info[2].As<Napi::Number>().DoubleValue();
  const auto slots = tensors_from_js(info[3]);
  return AddonEnv::of(info.Env()).run<Slots>(
      info.Env(), "replayOnline", [options, x_size, scale, slots] { return slots_of(replay(options, x_size, scale, tensors_of(slots))); }, to_js);
}

Napi::Value augment_online(const Napi::CallbackInfo& info) {
  const auto options = online_options_from_js(info[0].As<Napi::Object>());
  const auto side = info[1].As<Napi::Number>().Int64Value();
  const auto slots = tensors_from_js(info[2]);
  return AddonEnv::of(info.Env()).run<Slots>(
      info.Env(), "augmentOnline",
      [options, side, slots] {
        const AugmentedImages augmented = augment(tensors_of(slots).at("image"), side, options.augmentation, options.seed);
        std::vector<double> flat;
        for (const Pair& shift : augmented.shifts) flat.insert(flat.end(), shift.begin(), shift.end());
        return slots_of({{"images", augmented.images}, {"shifts", row_of(flat).view({-1, 2})}});
      },
      to_js);
}

}  // namespace

void register_online(Napi::Env env, Napi::Object exports) {
  exports.Set("replayOnline", Napi::Function::New(env, replay_online, "replayOnline"));
  exports.Set("augmentOnline", Napi::Function::New(env, augment_online, "augmentOnline"));
}

}  // namespace siam::binding
