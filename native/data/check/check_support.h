// What the checks share: data sets made here, batches taken and summed up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "../loader.h"

namespace siam::data::check {

/// Counts and prints what does not hold.
void Expect(bool holds, const char* what);
int Failures();

/// Four sequences of twelve frames; where `bad`, some are damaged.
Datasets MakeDataset(const std::string& root, bool bad);
std::string FrameFile(const std::string& root, uint32_t sequence, uint32_t frame);

struct Answer {
  std::optional<Batch> batch;
  std::optional<SiamException> error;
};

/// Waits for the next batch.
Answer Take(Loader& loader);

/// FNV-1a over all parts of a batch, going on from `h`.
uint64_t Hash(const Batch& batch, uint64_t h);

LoaderConfig Config(int threads);
SamplerConfig Sampler();

/// Read-ahead, cache, slow disks, and files that change while the loader runs.
void CheckReading(const std::string& root);

}  // namespace siam::data::check
