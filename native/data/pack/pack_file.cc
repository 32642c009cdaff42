#include "pack_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "../../base/error.h"
#include "../crc32c.h"
#include "../file.h"
#include "table_header.h"

namespace siam::data {
namespace {


/// O_NONBLOCK: a FIFO of that name must not hang the caller.
int OpenFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) FailToRead(path, errno);
  return descriptor;
}

/// @returns the bytes that were there, fewer than asked for only at the end of the file
size_t ReadAt(int descriptor, const std::string& path, uint64_t offset, void* to, size_t bytes) {
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = pread(descriptor, static_cast<char*>(to) + have, bytes - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FailToRead(path, errno);
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  return have;
}

std::string Bytes(uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

std::string Hex(uint32_t value) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[value >> shift & 15];
  return text;
}

/// What is wrong with a row, or nullptr.
const char* RowProblem(const PackRow& row, const std::vector<PackShard>& shards) {
  if (row.bytes == 0) return nullptr;
  if (row.shard >= shards.size()) return "names a shard that the pack does not have";
  const uint64_t end = shards[row.shard].bytes;
  if (row.offset > end || row.bytes > end - row.offset) return "lies outside of its shard";
  if (row.frame_width == 0 || row.frame_height == 0 || row.frame_width > 0xffffff || row.frame_height > 0xffffff) return "has no size of its frame";
  if (!UsableGrid(row.grid)) return "has no usable grid";
  return nullptr;
}

void CheckShard(const PackShard& shard) {
  struct stat status {};
  const auto expected = [&](const std::string& what) { throw SiamException("ERR_DATA", "Expected a shard of " + Bytes(shard.bytes) + " but " + what, shard.path); };
  if (stat(shard.path.c_str(), &status) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) FailToRead(shard.path, errno);
    expected("it is missing");
  }
  if (!S_ISREG(status.st_mode)) expected("it is no regular file");
  if (static_cast<uint64_t>(status.st_size) != shard.bytes) expected("it has " + std::to_string(status.st_size));
}

}  // namespace

std::string PackMember(std::string frame, uint32_t object) {
  if (object == 0) return frame;
  const size_t dot = frame.rfind('.');
  return frame.insert(dot == std::string::npos ? frame.size() : dot, "~" + std::to_string(object));
}

bool UsableGrid(const PixelGrid& grid) {
  const auto usable = [](const GridAxis& axis) { return std::abs(axis.origin) <= kMaxGridOrigin && axis.step > 0 && axis.step <= kMaxGridStep; };
  return usable(grid.x) && usable(grid.y);
}

std::shared_ptr<const PackFile> PackFile::Open(const std::string& table, std::vector<PackShard> shards) {
  const std::shared_ptr<PackFile> pack(new PackFile());
  pack->table_path_ = table;
  pack->table_ = OpenFile(table);
  pack->shards_ = std::move(shards);
  pack->open_ = std::make_unique<OpenShards>(pack->shards_.size());

  const auto expect = [&](bool holds, const std::string& what) {
    if (!holds) throw SiamException("ERR_DATA", what, table);
  };
  struct stat status {};
  if (fstat(pack->table_, &status) != 0) FailToRead(table, errno);
  expect(S_ISREG(status.st_mode), "Expected a pack's table but it is no regular file");
  PackTableHeader header(0, 0);
  const std::string problem = header.Problem(ReadAt(pack->table_, table, 0, &header, sizeof(header)));
  expect(problem.empty(), problem);
  const uint64_t bytes = static_cast<uint64_t>(status.st_size);
  expect(header.rows <= UINT32_MAX && bytes == sizeof(header) + header.rows * sizeof(PackRow),
         "Expected a table of " + Bytes(sizeof(header) + header.rows * sizeof(PackRow)) + " but it has " + std::to_string(bytes));
  for (const PackShard& shard : pack->shards_) CheckShard(shard);

  pack->CheckRows(header.rows, header.rows_crc);
  return pack;
}

void PackFile::CheckRows(uint64_t rows, uint32_t expected_crc) {
  // In pieces: the table of a large data set is a gigabyte, of which nothing is kept.
  std::vector<PackRow> piece(static_cast<size_t>(std::min<uint64_t>(rows, 1 << 14)));
  uint32_t crc = 0;
  std::string problem;
  for (uint64_t first = 0; first < rows; first += piece.size()) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(rows - first, piece.size()));
    const size_t size = count * sizeof(PackRow);
    if (ReadAt(table_, table_path_, (first + 1) * sizeof(PackRow), piece.data(), size) != size) {
      throw SiamException("ERR_DATA", "the pack's table was cut short", table_path_);
    }
    crc = Crc32c(piece.data(), size, crc);
    for (size_t i = 0; i < count; ++i) {
      stored_ += piece[i].bytes > 0 ? 1 : 0;
      const char* what = RowProblem(piece[i], shards_);
      if (what != nullptr && problem.empty()) problem = "row " + std::to_string(first + i) + " of the pack's table " + what;
    }
  }
  // The checksum comes first: a flipped bit is told as one, whatever it makes of its row.
  if (crc != expected_crc) {
    throw SiamException("ERR_DATA", "the pack's table is damaged: its checksum is " + Hex(crc) + ", expected " + Hex(expected_crc), table_path_);
  }
  if (!problem.empty()) throw SiamException("ERR_DATA", problem, table_path_);
  rows_ = rows;
  rows_crc_ = crc;
}

PackFile::~PackFile() {
  if (table_ >= 0) close(table_);
}

std::string PackFile::Place(const PackRow& row, const std::string& member) const { return shards_[row.shard].path + ":" + member; }

PackRow PackFile::Row(uint64_t row, const std::string& member) const {
  PackRow read;
  if (row >= rows_) throw SiamException("ERR_INTERNAL", "row " + std::to_string(row) + " of a table of " + std::to_string(rows_), table_path_);
  if (ReadAt(table_, table_path_, (row + 1) * sizeof(PackRow), &read, sizeof(read)) != sizeof(read)) {
    throw SiamException("ERR_DATA", "the pack's table was cut short after it was opened: it ends before the row of " + member, table_path_);
  }
  // What was checked at opening may have been written over since.
  if (const char* problem = RowProblem(read, shards_)) {
    throw SiamException("ERR_DATA", std::string("the pack's table was changed after it was opened: the row of ") + member + " " + problem, table_path_);
  }
  if (read.bytes == 0) throw SiamException("ERR_DATA", "the pack holds no picture of " + member + ": the frame was bad when the pack was made", table_path_);
  return read;
}

size_t PackFile::Read(const PackRow& row, const std::string& member, std::vector<uint8_t>& buffer) const {
  const std::string& shard = shards_[row.shard].path;
  const std::shared_ptr<const OpenShard> opened = open_->Get(row.shard, [&] { return OpenFile(shard); });
  if (buffer.size() < row.bytes) buffer.resize(row.bytes);
  const size_t have = ReadAt(opened->fd, shard, row.offset, buffer.data(), row.bytes);
  if (have != row.bytes) {
    throw SiamException("ERR_DATA", "the shard was cut short: expected " + Bytes(row.bytes) + " at byte " + std::to_string(row.offset) + " but only " +
                                        std::to_string(have) + " are there", Place(row, member));
  }
  const uint32_t crc = Crc32c(buffer.data(), row.bytes);
  if (crc != row.crc) {
    throw SiamException("ERR_DATA", "the picture is damaged: the checksum of its " + Bytes(row.bytes) + " at byte " + std::to_string(row.offset) + " is " +
                                        Hex(crc) + ", expected " + Hex(row.crc), Place(row, member));
  }
  return row.bytes;
}

}  // namespace siam::data
