#include "pack_check.h"

#include <sys/stat.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <future>
#include <iterator>
#include <random>
#include <thread>

#include "../pack/pack_estimate.h"
#include "../pack/pack_verify.h"
#include "../pack/pack_writer.h"
#include "check_support.h"

using namespace siam::data;
using siam::data::check::Expect;
using siam::SiamException;

namespace {

constexpr uint32_t kShards = 6;
using Index = std::shared_ptr<const DatasetIndex>;

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Replace(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes; }

std::string ShardPath(const std::string& folder, uint32_t shard) { return folder + "/shard-0000" + std::to_string(shard) + ".tar"; }

std::string All(const std::string& folder) {
  std::string all = Contents(folder + "/frames.siampak");
  for (uint32_t s = 0; s < kShards; ++s) all += Contents(ShardPath(folder, s));
  return all;
}

/// @param stop_after  microseconds; negative: run to the end     @returns the error's code, or ""
std::string WritePack(const Index& frames, const std::string& folder, int threads, int stop_after = -1) {
  mkdir(folder.c_str(), 0755);
  mkdir((folder + "/work").c_str(), 0755);
  PackWriterConfig config;
  config.folder = folder;
  config.work_folder = folder + "/work";
  config.shards = kShards;
  config.threads = threads;
  config.picture.density = 0.8;
  PackWriter writer(frames, frames, config);
  std::promise<std::string> done;
  writer.Start([&](std::optional<SiamException> error) { done.set_value(error ? error->code() : ""); });
  auto result = done.get_future();
  if (stop_after >= 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(stop_after));
    writer.job().Stop();
  }
  (void)writer.job().rows.load();
  const std::string code = result.get();
  writer.job().Close();
  return code;
}

/// @returns problems, or -1 when the table or index refuses
int64_t Verify(const Index& frames, const std::string& folder, const std::vector<uint64_t>& entries) {
  std::vector<PackShard> shards;
  for (uint32_t s = 0; s < kShards; ++s) shards.push_back({ShardPath(folder, s), 0});
  try {
    PackVerifier verifier(folder + "/frames.siampak", shards, entries, frames, 3);
    std::promise<bool> done;
    verifier.Start([&](std::optional<SiamException> error) { done.set_value(!error); });
    const bool whole = done.get_future().get();
    verifier.job().Close();
    return whole ? static_cast<int64_t>(verifier.problem_count()) : -1;
  } catch (const SiamException&) {
    return -1;
  }
}

std::vector<uint64_t> EntriesOf(const std::string& folder) {
  const std::string table = Contents(folder + "/frames.siampak");
  std::vector<uint64_t> entries(kShards);
  for (size_t at = 64; at + 64 <= table.size(); at += 64) {
    PackRow row;
    std::memcpy(&row, table.data() + at, sizeof row);
    if (row.bytes > 0) ++entries[row.shard];
  }
  return entries;
}

}  // namespace

void CheckPacks(const Index& frames, const std::string& folder) {
  mkdir(folder.c_str(), 0755);
  const std::string one = folder + "/one", many = folder + "/many";
  Expect(WritePack(frames, one, 1).empty(), "one thread writes a pack");
  const std::string expected = All(one);
  // Stopped again and again, gone on with by other numbers of threads.
  std::mt19937 random(5);
  for (int run = 0; run < 12; ++run) {
    const std::string code = WritePack(frames, many, 1 + run % 5, static_cast<int>(random() % 30000));
    Expect(code.empty() || code == "ERR_ABORTED", "a stopped writer says that it was");
  }
  Expect(WritePack(frames, many, 4).empty() && All(many) == expected, "stopped packs become what they would have been");
  const std::vector<uint64_t> entries = EntriesOf(one);
  Expect(Verify(frames, one, entries) == 0, "a sound pack is found sound");

  PackEstimate estimate(frames, frames, {}, 20, 4);
  std::promise<size_t> estimated;
  estimate.Start([&](std::optional<SiamException> error) { estimated.set_value(error ? 0 : estimate.samples().size()); });
  Expect(estimated.get_future().get() == 20, "an estimate looks at as many frames as it should");

  // Damage of all kinds: it is found, and a writer that goes on mends it.
  for (int run = 0; run < 60; ++run) {
    const uint32_t shard = random() % kShards;
    const std::string files[] = {ShardPath(many, shard), many + "/frames.siampak", many + "/work/shard-0000" + std::to_string(shard) + ".rows"};
    const size_t kind = run % 3;
    std::string bytes = Contents(files[kind]);
    const size_t at = random() % bytes.size();
    if (run % 4 == 3) {
      bytes.resize(at);
    } else {
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
    }
    Replace(files[kind], bytes);
    if (kind < 2) Expect(Verify(frames, many, entries) != 0, "damage is found");
    Expect(WritePack(frames, many, 2).empty() && All(many) == expected, "damage is mended");
  }
}
