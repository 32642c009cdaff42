#include "folded_conv.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>

#include "../../base/error.h"

namespace siam::tracking::inference {

namespace {

uint64_t mixed(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x9e3779b97f4a7c15ULL; }

/// Eight sums beside each other: the weights of AlexNet take some milliseconds.
uint64_t hash_of(const uint8_t* bytes, size_t size, uint64_t seed) {
  constexpr size_t kLanes = 8;
  uint64_t lanes[kLanes];
  for (size_t l = 0; l < kLanes; l++) lanes[l] = seed + l;
  size_t at = 0;
  for (; at + sizeof lanes <= size; at += sizeof lanes) {
    uint64_t words[kLanes];
    std::memcpy(words, bytes + at, sizeof words);
    for (size_t l = 0; l < kLanes; l++) {
      const uint64_t hash = mixed(lanes[l], words[l]);
      lanes[l] = hash ^ (hash >> 29);
    }
  }
  uint64_t hash = size;
  for (; at < size; at++) hash = mixed(hash, bytes[at]);
  for (const uint64_t lane : lanes) hash = mixed(hash ^ (hash >> 32), lane);
  return hash;
}

/// A sum is not finite when a value is not: one pass without a mask.
bool finite(const at::Tensor& values) { return std::isfinite(values.detach().sum(at::kDouble).item<double>()); }

}  // namespace

WeightTable::WeightTable(const std::vector<core::StateEntry>& entries, at::Device device) : device_(device) {
  for (const auto& entry : entries) tensors_[entry.name] = entry.tensor;
}

const at::Tensor& WeightTable::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw SiamException("ERR_CONFIG", "tracker: the network has no tensor " + name);
  return found->second;
}

at::Tensor WeightTable::get(const std::string& name) const { return find(name).detach().to(at::kCPU, at::kDouble).contiguous(); }

int64_t WeightTable::width(const std::string& name) const { return find(name).size(0); }

float WeightTable::number(const std::string& name) const { return get(name).item<float>(); }

FoldedConv WeightTable::fold(const std::string& conv, const std::string& bn, const ConvOptions& options) const {
  at::Tensor weight = get(conv + ".weight");
  const int64_t outputs = weight.size(0);
  at::Tensor bias = tensors_.count(conv + ".bias") > 0 ? get(conv + ".bias") : at::zeros({outputs}, weight.options());
  if (tensors_.count(bn + ".running_var") > 0) {
    const at::Tensor scale = get(bn + ".weight") / at::sqrt(get(bn + ".running_var") + options.eps);
    weight = weight * scale.view({-1, 1, 1, 1});
    bias = (bias - get(bn + ".running_mean")) * scale + get(bn + ".bias");
  }
  FoldedConv folded{weight.to(at::kFloat), bias.to(at::kFloat), options, device_};
  // Sums with much larger weights overflow, and nothing later would tell: a ReLU of oneDNN makes 0 of a NaN.
  constexpr double kMost = 1e30;
  finite_ = finite_ && finite(folded.weight) && finite(folded.bias) && folded.weight.abs().max().item<double>() < kMost;
  return folded;
}

std::vector<core::StateEntry> on_cpu(std::vector<core::StateEntry> entries) {
  for (auto& entry : entries) entry.tensor = entry.tensor.detach().to(at::kCPU);
  return entries;
}

uint64_t fingerprint(const std::vector<core::StateEntry>& entries) {
  uint64_t hash = entries.size();
  for (const auto& entry : entries) {
    const at::Tensor tensor = entry.tensor.is_non_overlapping_and_dense() ? entry.tensor : entry.tensor.contiguous();
    hash = mixed(hash, hash_of(static_cast<const uint8_t*>(tensor.const_data_ptr()), tensor.nbytes(), hash));
  }
  return hash;
}

bool all_finite(const std::vector<core::StateEntry>& entries) {
  for (const auto& entry : entries) {
    if (at::isFloatingType(entry.tensor.scalar_type()) && !finite(entry.tensor)) return false;
  }
  return true;
}

}  // namespace siam::tracking::inference
