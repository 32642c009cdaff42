#include "mean_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <vector>

#include "../base/error.h"
#include "crc32c.h"
#include "descriptor.h"

namespace siam::data {
namespace {

constexpr char kMagic[8] = {'S', 'I', 'A', 'M', 'M', 'E', 'A', 'N'};
constexpr uint32_t kVersion = 1;
/// Rows that are in the file together or not at all: a page of memory. Blocks without a mean are left out.
constexpr size_t kBlockRows = 512;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t blocks;
  uint64_t rows;
  uint64_t index_bytes;
  uint32_t index_crc;
  uint32_t blocks_crc;  ///< CRC-32C of all that follows the header
  char reserved[20];
  uint32_t crc;  ///< of all before it
};
struct Block {
  uint64_t first_row;
  uint64_t entries[kBlockRows];
};
static_assert(sizeof(Header) == 64 && sizeof(Block) == 8 + 8 * kBlockRows, "no holes: these are in files");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little endian");

[[noreturn]] void FailIo(const char* what, const std::string& path) {
  throw SiamException("ERR_IO", std::string(what) + ": " + std::strerror(errno), path);
}

void ReadAll(int fd, void* to, size_t bytes, const std::string& path) {
  auto* out = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = read(fd, out, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FailIo("cannot read it", path);
    if (got == 0) throw SiamException("ERR_DATA", "it ends in the middle", path);
    out += got;
    bytes -= static_cast<size_t>(got);
  }
}

void WriteAll(int fd, const void* from, size_t bytes, const std::string& path) {
  auto* in = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = write(fd, in, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) FailIo("cannot write it", path);
    in += put;
    bytes -= static_cast<size_t>(put);
  }
}

/// In the form of lib/checkpoint/atomic-file.ts, which knows by it what a process that is gone has left.
std::string TemporaryName(const std::string& path) {
  static std::atomic<uint32_t> written{0};
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  std::string name(host);
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '.') c = '_';
  }
  return path + ".tmp-" + name + '-' + std::to_string(getpid()) + "-0-" + std::to_string(written.fetch_add(1));
}

/// The file's blocks, all checked; empty where there is no file or one of another index.
std::vector<Block> ReadBlocks(const std::string& path, const MeanIdentity& identity, uint64_t rows) {
  // O_NONBLOCK: a FIFO of that name must not hang the caller.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    if (errno == ENOENT) return {};
    FailIo("cannot read it", path);
  }
  struct stat status {};
  if (fstat(file.fd, &status) != 0) FailIo("cannot read it", path);
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) throw SiamException("ERR_DATA", what, path);
  };
  expect(S_ISREG(status.st_mode), "it is no regular file");
  Header header;
  ReadAll(file.fd, &header, sizeof header, path);
  expect(std::memcmp(header.magic, kMagic, sizeof kMagic) == 0, "it is no file of means");
  expect(header.version == kVersion, "it is of another version of the format");
  expect(Crc32c(&header, sizeof header - 4) == header.crc, "its header is damaged");
  if (header.index_bytes != identity.index_bytes || header.index_crc != identity.index_crc || header.rows != rows) return {};
  // Before memory is taken for what the header says.
  expect(static_cast<uint64_t>(status.st_size) == sizeof(Header) + uint64_t{header.blocks} * sizeof(Block), "its size is not what its header says");
  std::vector<Block> blocks(header.blocks);
  ReadAll(file.fd, blocks.data(), blocks.size() * sizeof(Block), path);
  expect(Crc32c(blocks.data(), blocks.size() * sizeof(Block)) == header.blocks_crc, "it is damaged: a checksum does not agree");
  for (const Block& block : blocks) expect(block.first_row % kBlockRows == 0 && block.first_row < rows, "it has a block of no row");
  return blocks;
}

uint64_t Merge(const std::vector<Block>& blocks, MeanTable& table) {
  uint64_t taken = 0;
  for (const Block& block : blocks) {
    const auto first = static_cast<size_t>(block.first_row);
    for (size_t i = 0, end = std::min(kBlockRows, table.rows() - first); i < end; ++i) taken += table.Merge(first + i, block.entries[i]) ? 1 : 0;
  }
  return taken;
}

}  // namespace

uint64_t LoadMeans(const std::string& path, const MeanIdentity& identity, MeanTable& table) { return Merge(ReadBlocks(path, identity, table.rows()), table); }

SavedMeans SaveMeans(const std::string& path, const std::string& lock_path, const MeanIdentity& identity, MeanTable& table) {
  // Where the file system knows no locks, the last of two that save at the same time stays; what the other had is computed again.
  const Descriptor lock{open(lock_path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (lock.fd >= 0) flock(lock.fd, LOCK_EX);
  SavedMeans saved;
  saved.added = table.unsaved();
  try {
    Merge(ReadBlocks(path, identity, table.rows()), table);
  } catch (const SiamException&) {
    // What cannot be read is replaced.
  }
  std::vector<Block> blocks;
  Block block;
  for (size_t first = 0; first < table.rows(); first += kBlockRows) {
    block = {};
    block.first_row = first;
    uint64_t known = 0;
    for (size_t i = 0, end = std::min(kBlockRows, table.rows() - first); i < end; ++i) known += (block.entries[i] = table.Entry(first + i)) != 0 ? 1 : 0;
    if (known == 0) continue;
    saved.known += known;
    blocks.push_back(block);
  }
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.blocks = static_cast<uint32_t>(blocks.size());
  header.rows = table.rows();
  header.index_bytes = identity.index_bytes;
  header.index_crc = identity.index_crc;
  header.blocks_crc = Crc32c(blocks.data(), blocks.size() * sizeof(Block));
  header.crc = Crc32c(&header, sizeof header - 4);

  const std::string temporary = TemporaryName(path);
  try {
    const Descriptor file{open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)};
    if (file.fd < 0) FailIo("cannot write it", temporary);
    WriteAll(file.fd, &header, sizeof header, temporary);
    WriteAll(file.fd, blocks.data(), blocks.size() * sizeof(Block), temporary);
    // Without it a crash of the machine may leave a file of the right name and no contents.
    if (fsync(file.fd) != 0) FailIo("cannot write it", temporary);
    if (rename(temporary.c_str(), path.c_str()) != 0) FailIo("cannot rename it", temporary);
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  table.SetSaved(saved.added);
  return saved;
}

}  // namespace siam::data
