#include "check_support.h"

#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <future>

namespace siam::data::check {
namespace {

std::atomic<int> failures{0};

std::vector<uint8_t> Picture(int width, int height, uint32_t seed) {
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * height * 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        pixels[(static_cast<size_t>(y) * width + x) * 3 + c] = static_cast<uint8_t>((x * (c + 1) + y * 2 + seed * 37 + ((x / 9) ^ (y / 7)) * 11) & 255);
      }
    }
  }
  return pixels;
}

void Write(const std::string& path, const std::vector<uint8_t>& bytes, size_t count) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(count));
}

}  // namespace

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

int Failures() { return failures; }

std::string FrameFile(const std::string& root, uint32_t sequence, uint32_t frame) {
  return root + "/s" + std::to_string(sequence) + "/" + FrameNamePattern("%08d.jpg").Name(frame + 1);
}

Datasets MakeDataset(const std::string& root, bool bad) {
  mkdir(root.c_str(), 0755);
  std::vector<Sequence> sequences;
  std::vector<uint32_t> start{0};
  std::vector<Xyxy> boxes;
  for (uint32_t s = 0; s < 4; ++s) {
    const std::string dir = root + "/s" + std::to_string(s);
    mkdir(dir.c_str(), 0755);
    for (uint32_t k = 0; k < 12; ++k) {
      const int width = 200 + 40 * static_cast<int>(s), height = 150;
      const auto jpeg = EncodeJpeg(Picture(width, height, s * 100 + k).data(), width, height, tj::kPixelBgr, 85, tj::kSubsampling420);
      const bool cut = bad && s == 1 && k % 3 == 0;
      Write(FrameFile(root, s, k), jpeg, cut ? jpeg.size() / 2 : jpeg.size());
      const float x = 20.0f + 5 * static_cast<float>(k), y = 30.0f + static_cast<float>(s);
      boxes.push_back(bad && s == 2 && k == 5 ? Xyxy{x, y, x - 9, y + 10} : Xyxy{x, y, x + 40, y + 30});
    }
    sequences.push_back({dir, "%08d.jpg", 1, {}});
    start.push_back(start.back() + 12);
  }
  return {std::make_shared<DatasetIndex>("check", 1.0, 5, std::move(sequences), std::move(start), std::move(boxes))};
}

Answer Take(Loader& loader) {
  std::promise<Answer> promise;
  auto future = promise.get_future();
  loader.Next([&](std::optional<Batch> batch, std::optional<SiamException> error) { promise.set_value({std::move(batch), std::move(error)}); });
  return future.get();
}

uint64_t Hash(const Batch& batch, uint64_t h) {
  const auto add = [&h](const void* data, size_t bytes) {
    const auto* p = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < bytes; ++i) h = (h ^ p[i]) * 1099511628211ull;
  };
  const BatchShape& s = batch.block->shape();
  const SampleOutput p = batch.block->Parts();
  const size_t n = static_cast<size_t>(s.samples), points = static_cast<size_t>(s.points);
  add(p.im_z, n * 3 * s.z_size * s.z_size);
  add(p.im_x, n * 3 * s.x_size * s.x_size);
  add(p.bbox_z, n * 16);
  add(p.bbox_x, n * 16);
  add(p.cls, n * points * 4);
  add(p.ctr, n * points * 4);
  add(p.box, n * points * 16);
  add(p.negative, n * 8);
  return h;
}

LoaderConfig Config(int threads) {
  LoaderConfig config;
  config.sample.seed = 7;
  config.batch_size = 5;
  config.threads = threads;
  config.queue_batches = 3;
  config.samples_per_epoch = 12;
  return config;
}

SamplerConfig Sampler() {
  SamplerConfig sampler;
  sampler.negative_pair_ratio = 0.25;
  sampler.filter.enabled = true;
  return sampler;
}

}  // namespace siam::data::check
