// A program that works the loader hard, for sanitizer builds (check/run.sh). It makes its own frames, so it needs nothing but the JPEG
// library's path. Exit code 0 and "ok" when all holds.
#include <atomic>
#include <cstdio>
#include <thread>

#include "check_support.h"
#include "index_check.h"
#include "jpeg_check.h"
#include "pack_check.h"
#include "pack_read_check.h"
#include "warp_check.h"

using namespace siam::data;
using namespace siam::data::check;
using siam::SiamException;

namespace {

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
  CheckJpegDecoder(1, 5000, Expect);
  CheckPacks(bad[0], root + "/packs");
  CheckPackReading(root + "/packs/one", 6);
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
  CheckReading(root);
  std::printf(Failures() == 0 ? "ok\n" : "%d failures\n", Failures());
  return Failures() == 0 ? 0 : 1;
}
