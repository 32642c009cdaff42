// Where frames come from: read ahead, from the cache, from a slow disk, and from files that change while the loader runs.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "check_support.h"

namespace siam::data::check {
namespace {

using std::chrono::milliseconds;

struct Stream {
  uint64_t hash = 1469598103934665603ull;
  uint64_t skipped = 0;
  LoaderStats stats;
  bool operator==(const Stream& o) const { return hash == o.hash && skipped == o.skipped; }
};

Stream Run(const Datasets& datasets, const LoaderConfig& config, int batches) {
  Stream stream;
  Loader loader(datasets, Sampler(), config);
  for (int i = 0; i < batches; ++i) {
    const Answer answer = Take(loader);
    Expect(answer.batch.has_value(), "a batch comes");
    if (!answer.batch) break;
    stream.hash = Hash(*answer.batch, stream.hash);
  }
  stream.stats = loader.Stats();
  stream.skipped = stream.stats.skipped;
  loader.Close();
  Expect(loader.Stats().read_ahead.bytes == 0, "a closed loader keeps nothing of what was read ahead");
  return stream;
}

LoaderConfig Slow(int threads, int read_ahead) {
  LoaderConfig config = Config(threads);
  config.read_delay = milliseconds(2);
  config.read_ahead.threads = read_ahead;
  return config;
}

void SameWithReadAheadAndCache(const Datasets& datasets) {
  const Stream plain = Run(datasets, Config(1), 10);
  const auto cache = std::make_shared<FrameCache>(uint64_t{1} << 20), small = std::make_shared<FrameCache>(50'000);
  for (const int threads : {1, 8}) {
    for (const int read_ahead : {2, 16}) {
      LoaderConfig config = Slow(threads, read_ahead);
      const Stream ahead = Run(datasets, config, 10);
      Expect(ahead == plain, "the same with read-ahead");
      Expect(ahead.stats.read_ahead.frames > 0 && ahead.stats.read_ahead.threads > 0, "frames were read ahead");
      config.read_ahead.bytes = 20'000;
      Expect(Run(datasets, config, 10) == plain, "the same with room for hardly a sample");
      config.cache = read_ahead == 2 ? small : cache;
      Expect(Run(datasets, config, 10) == plain, "the same with a cache");
    }
  }
  Expect(cache->Stats().frames > 20 && cache->Stats().bytes <= cache->Stats().limit, "the cache keeps frames, within its bound");
  Expect(small->Stats().frames > 0 && small->Stats().frames < 20 && small->Stats().bytes <= small->Stats().limit, "a small cache keeps few, within its bound");
}

void CloseWhileReading(const Datasets& datasets) {
  for (int i = 0; i < 24; ++i) {
    LoaderConfig config = Slow(1 + i % 4, i % 3 * 4);
    config.read_delay = milliseconds(40);
    Loader loader(datasets, Sampler(), config);
    std::atomic<int> answered{0};
    for (int k = 0; k < i % 3; ++k) loader.Next([&](std::optional<Batch>, std::optional<SiamException>) { ++answered; });
    std::this_thread::sleep_for(milliseconds(i * 9));
    loader.Close();
    Expect(answered == i % 3, "every request is answered, also in the middle of a read");
  }
}

/// Each frame of two sequences goes through all kinds of damage and back while eight threads read it.
void ChangeWhileReading(const Datasets& datasets, const std::string& root) {
  std::vector<std::vector<char>> good;
  for (uint32_t k = 0; k < 12; ++k) {
    std::ifstream file(FrameFile(root, 1, k), std::ios::binary);
    good.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  LoaderConfig config = Slow(8, 8);
  config.cache = std::make_shared<FrameCache>(uint64_t{200'000});
  Loader loader(datasets, Sampler(), config);
  std::atomic<bool> done{false};
  std::thread vandal([&] {
    for (uint32_t round = 0; !done; ++round) {
      const uint32_t k = round % 12;
      const std::string file = FrameFile(root, 1, k);
      switch (round / 12 % 6) {
        case 0: unlink(file.c_str()); break;
        case 1: mkdir(file.c_str(), 0755); break;
        case 2: rmdir(file.c_str()); if (symlink(file.c_str(), file.c_str()) != 0) Expect(false, "a link to itself"); break;
        case 3: unlink(file.c_str()); std::ofstream(file) << "Not Found\n"; break;
        case 4: std::ofstream(file, std::ios::binary).write(good[k].data(), static_cast<std::streamsize>(good[k].size() / 2)); break;
        default: std::ofstream(file, std::ios::binary).write(good[k].data(), static_cast<std::streamsize>(good[k].size())); break;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  for (int i = 0; i < 60; ++i) Expect(Take(loader).batch.has_value(), "batches go on while files change");
  done = true;
  vandal.join();
  Expect(loader.Stats().skipped == loader.TakeSkipped().size(), "as many skipped samples are listed as counted");
  loader.Close();
}

}  // namespace

void CheckReading(const std::string& root) {
  const Datasets good = MakeDataset(root + "/reading", false), bad = MakeDataset(root + "/reading-bad", true);
  SameWithReadAheadAndCache(good);
  SameWithReadAheadAndCache(bad);
  CloseWhileReading(bad);
  ChangeWhileReading(good, root + "/reading");
  const auto cache = std::make_shared<FrameCache>(1'000'000);
  cache->Bind({{"a", 5}});
  bool refused = false;
  try {
    cache->Bind({{"b", 5}});
  } catch (const SiamException& error) {
    refused = error.code() == "ERR_ARGUMENT";
  }
  Expect(refused, "a cache of other data sets is refused");
}

}  // namespace siam::data::check
