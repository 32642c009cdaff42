// A program that works the loader hard, for sanitizer builds (check/run.sh). It makes its own frames, so it needs nothing but the JPEG
// library's path. Exit code 0 and "ok" when all holds.
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

#include "../loader.h"
#include "index_check.h"
#include "jpeg_check.h"
#include "pack_check.h"
#include "warp_check.h"

using namespace siam::data;
using siam::SiamException;

namespace {

int failures = 0;

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

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

/// Four sequences of twelve frames; where `bad`, some are damaged.
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
      Write(dir + "/" + FrameNamePattern("%08d.jpg").Name(k + 1), jpeg, cut ? jpeg.size() / 2 : jpeg.size());
      const float x = 20.0f + 5 * static_cast<float>(k), y = 30.0f + static_cast<float>(s);
      boxes.push_back(bad && s == 2 && k == 5 ? Xyxy{x, y, x - 9, y + 10} : Xyxy{x, y, x + 40, y + 30});
    }
    sequences.push_back({dir, "%08d.jpg", 1, {}});
    start.push_back(start.back() + 12);
  }
  return {std::make_shared<DatasetIndex>("check", 1.0, 5, std::move(sequences), std::move(start), std::move(boxes))};
}

struct Answer {
  std::optional<Batch> batch;
  std::optional<SiamException> error;
};

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

void SameForAnyThreadCount(const Datasets& datasets, const char* what) {
  uint64_t first = 0, skipped = 0;
  for (const int threads : {1, 2, 4, 8}) {
    Loader loader(datasets, Sampler(), Config(threads));
    uint64_t hash = 1469598103934665603ull;
    std::vector<Batch> held;
    for (int i = 0; i < 20; ++i) {
      Answer answer = Take(loader);
      Expect(answer.batch.has_value(), what);
      if (!answer.batch) return;
      hash = Hash(*answer.batch, hash);
      if (i % 3 == 0) held.push_back(std::move(*answer.batch));
    }
    const uint64_t count = loader.Stats().skipped;
    Expect(loader.TakeSkipped().size() == count, "as many skipped samples are listed as counted");
    loader.Close();
    if (threads == 1) first = hash, skipped = count;
    Expect(hash == first && count == skipped, what);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::printf("usage: loader_check LIBTURBOJPEG EMPTY_FOLDER\n");
    return 2;
  }
  tj::Load(argv[1]);
  const std::string root = argv[2];
  const Datasets good = MakeDataset(root + "/good", false), bad = MakeDataset(root + "/bad", true);

  CheckWarp(Expect);
  CheckIndexFiles(root + "/index", Expect);
  CheckJpegDecoder(1, 20000, Expect);
  failures += CheckPacks(bad[0], root + "/packs");
  SameForAnyThreadCount(good, "good data set: the same for 1, 2, 4, 8 threads");
  SameForAnyThreadCount(bad, "damaged data set: the same for 1, 2, 4, 8 threads");

  for (int i = 0; i < 40; ++i) {  // closed at any moment, with and without requests
    Loader loader(bad, Sampler(), Config(1 + i % 4));
    std::atomic<int> answered{0};
    for (int k = 0; k < i % 5; ++k) loader.Next([&](std::optional<Batch>, std::optional<SiamException>) { ++answered; });
    std::this_thread::sleep_for(std::chrono::microseconds(i * 300));
    loader.Close();
    loader.Close();
    Expect(answered == i % 5, "every request is answered");
    Expect(Take(loader).error.value_or(SiamException("", "")).code() == "ERR_ABORTED", "a closed loader says so");
  }
  {
    LoaderConfig config = Config(4);
    config.strict = true;
    Loader loader(bad, Sampler(), config);
    Answer answer;
    do answer = Take(loader);
    while (answer.batch);
    Expect(answer.error->code() == "ERR_DATA", "strict: the first bad sample ends it");
    Expect(Take(loader).error.has_value(), "and it stays ended");
  }
  {
    std::vector<Batch> held;
    Loader loader(good, Sampler(), Config(2));
    for (int i = 0; i < 30; ++i) held.push_back(*Take(loader).batch);  // more than the queue holds: no deadlock
    const uint64_t before = Hash(held.front(), 1);
    for (int i = 0; i < 10; ++i) Take(loader);
    Expect(Hash(held.front(), 1) == before, "a held batch is not written to");
    loader.Close();
    Expect(Hash(held.front(), 1) == before, "a batch outlives its loader");
  }
  {  // requests and closing from several threads at once
    Loader loader(good, Sampler(), Config(3));
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        while (Take(loader).batch) loader.Stats(), loader.TakeSkipped();
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    loader.Close();
    for (auto& thread : threads) thread.join();
  }
  std::printf(failures == 0 ? "ok\n" : "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
