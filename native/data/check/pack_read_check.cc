#include "pack_read_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <thread>
#include <vector>

#include "../../base/error.h"
#include "../crc32c.h"
#include "../pack/pack_file.h"
#include "../pack/packed_view.h"
#include "check_support.h"

using namespace siam::data;
using siam::data::check::Expect;
using siam::SiamException;

namespace {

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Replace(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes; }

std::vector<PackShard> ShardsOf(const std::string& folder, uint32_t count) {
  std::vector<PackShard> shards;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string path = folder + "/shard-0000" + std::to_string(i) + ".tar";
    struct stat status {};
    stat(path.c_str(), &status);
    shards.push_back({path, static_cast<uint64_t>(status.st_size)});
  }
  return shards;
}

bool IsOfTheData(const SiamException& error) { return error.code() == "ERR_DATA" || error.code() == "ERR_IO"; }

/// Makes header and rows agree again, so that what the checksums would catch has to be caught by looking.
void Sign(std::string& table) {
  const uint32_t rows = Crc32c(table.data() + 64, table.size() - 64);
  std::memcpy(table.data() + 24, &rows, 4);
  const uint32_t header = Crc32c(table.data(), 60);
  std::memcpy(table.data() + 60, &header, 4);
}

void ReadAll(const PackFile& pack, uint64_t first, std::atomic<uint64_t>& good, std::atomic<bool>& foreign) {
  std::vector<uint8_t> buffer;
  for (uint64_t i = 0; i < pack.rows(); ++i) {
    const uint64_t row = (first + i) % pack.rows();
    try {
      const PackRow at = pack.Row(row, "m");
      if (Crc32c(buffer.data(), pack.Read(at, "m", buffer)) == at.crc) ++good;
    } catch (const SiamException& error) {
      if (!IsOfTheData(error)) foreign = true;
    }
  }
}

uint64_t ReadByThreads(const std::shared_ptr<const PackFile>& pack, const std::function<void()>& meanwhile) {
  std::atomic<uint64_t> good{0};
  std::atomic<bool> foreign{false};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    // Each has its own share of the pack, which may be the last one.
    threads.emplace_back([pack, t, &good, &foreign] { ReadAll(*pack, t * 7, good, foreign); });
  }
  meanwhile();
  for (auto& thread : threads) thread.join();
  Expect(!foreign, "what a reader meets in a damaged pack is an error of its data");
  return good;
}

}  // namespace

void CheckPackReading(const std::string& folder, uint32_t shards) {
  const std::string table = folder + "/frames.siampak", sound = Contents(table);
  const std::vector<PackShard> all = ShardsOf(folder, shards);
  const auto open = [&] { return PackFile::Open(table, all); };
  const uint64_t stored = open()->stored();
  Expect(stored > 0, "the pack has pictures");
  Expect(ReadByThreads(open(), [] {}) == 4 * stored, "every picture is read by every thread");

  std::mt19937 random(9);
  const int runs = 2000;
  for (int run = 0; run < runs; ++run) {
    std::string damaged = sound;
    const size_t at = random() % damaged.size();
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << random() % 8);
    if (run % 3 == 1) damaged.resize(at);
    const bool signed_again = run % 3 == 2 && at >= 64;
    if (signed_again) Sign(damaged);
    Replace(table, damaged);
    bool opened = false;
    try {
      const auto pack = open();
      opened = true;
      std::atomic<uint64_t> good{0};
      std::atomic<bool> foreign{false};
      ReadAll(*pack, 0, good, foreign);
      for (uint64_t row = 0; row < pack->rows(); ++row) {
        try {
          FrameView view;
          const PackRow read = pack->Row(row, "m");
          StoredPart(read, 100, 80, {static_cast<int>(random() % 3000) - 1500, 5, static_cast<int>(random() % 2000), 40}, "m");
          PlaceInFrame(read, view);
        } catch (const SiamException& error) {
          foreign = foreign || !IsOfTheData(error);
        }
      }
      Expect(!foreign, "a table that was signed by somebody gives errors of the data at most");
    } catch (const SiamException& error) {
      Expect(IsOfTheData(error), "a damaged table is an error of the data");
    }
    Expect(!opened || signed_again, "a damaged table is not opened");
  }
  Replace(table, sound);

  for (int run = 0; run < 20; ++run) {
    const PackShard& shard = all[random() % all.size()];
    const std::string bytes = Contents(shard.path);
    const auto pack = open();
    ReadByThreads(pack, [&] {
      if (run % 4 == 0) unlink(shard.path.c_str());
      if (run % 4 == 1) (void)!truncate(shard.path.c_str(), static_cast<off_t>(random() % bytes.size()));
      if (run % 4 == 2) (void)!truncate(table.c_str(), static_cast<off_t>(random() % sound.size()));
      if (run % 4 == 3) Replace(shard.path, std::string(bytes.size(), 'x'));
    });
    Replace(shard.path, bytes);
    Replace(table, sound);
  }
  Expect(ReadByThreads(open(), [] {}) == 4 * stored, "and when all is as it was, so are the pictures");
}
