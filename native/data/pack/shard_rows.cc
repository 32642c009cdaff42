#include "shard_rows.h"

#include <cstring>

#include "../../base/error.h"
#include "../crc32c.h"
#include "../file.h"
#include "out_file.h"

namespace siam::data {
namespace {

constexpr char kMagic[8] = {'S', 'I', 'A', 'M', 'R', 'O', 'W', '\n'};
constexpr uint32_t kVersion = 1;

/// Header, rows, then the bad frames: each u64 row, and three texts, u32 length and bytes.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t shard;
  uint64_t first_row;
  uint64_t rows;
  uint64_t shard_bytes;
  uint32_t bad_frames;
  uint32_t body_crc;  ///< of all behind the header
  char reserved[12];
  uint32_t crc;  ///< of all before it
};
static_assert(sizeof(Header) == 64, "it is in files");

void Append(std::string& to, const void* data, size_t size) { to.append(static_cast<const char*>(data), size); }

void AppendText(std::string& to, const std::string& text) {
  const auto length = static_cast<uint32_t>(text.size());
  Append(to, &length, sizeof length);
  to += text;
}

/// Takes values from the front of bytes.
class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  bool Take(void* to, size_t size) {
    if (size > left_) return false;
    if (size > 0) std::memcpy(to, at_, size);
    at_ += size;
    left_ -= size;
    return true;
  }
  bool TakeText(std::string& to) {
    uint32_t length;
    if (!Take(&length, sizeof length) || length > left_) return false;
    to.resize(length);
    return Take(to.data(), length);
  }
  bool End() const { return left_ == 0; }

 private:
  const uint8_t* at_;
  size_t left_;
};

}  // namespace

void WriteShardRows(const std::string& path, uint32_t shard, uint64_t first_row, const ShardRows& rows) {
  std::string bad;
  for (const BadFrame& frame : rows.bad_frames) {
    Append(bad, &frame.row, sizeof frame.row);
    AppendText(bad, frame.code);
    AppendText(bad, frame.file);
    AppendText(bad, frame.message);
  }
  const size_t row_bytes = rows.rows.size() * sizeof(PackRow);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.shard = shard;
  header.first_row = first_row;
  header.rows = rows.rows.size();
  header.shard_bytes = rows.shard_bytes;
  header.bad_frames = static_cast<uint32_t>(rows.bad_frames.size());
  header.body_crc = Crc32c(bad.data(), bad.size(), Crc32c(rows.rows.data(), row_bytes));
  header.crc = Crc32c(&header, sizeof header - 4);
  OutFile file(path);
  file.Write(&header, sizeof header);
  file.Write(rows.rows.data(), row_bytes);
  file.Write(bad.data(), bad.size());
  file.Commit();
}

std::optional<ShardRows> ReadShardRows(const std::string& path, uint32_t shard, uint64_t first_row, uint64_t count) {
  std::vector<uint8_t> bytes;
  size_t size;
  try {
    size = ReadFile(path, bytes);
  } catch (const SiamException&) {
    return std::nullopt;
  }
  Header header;
  Reader reader(bytes.data(), size);
  if (!reader.Take(&header, sizeof header) || std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return std::nullopt;
  if (Crc32c(&header, sizeof header - 4) != header.crc || header.version != kVersion) return std::nullopt;
  if (header.shard != shard || header.first_row != first_row || header.rows != count) return std::nullopt;
  if (Crc32c(bytes.data() + sizeof header, size - sizeof header) != header.body_crc) return std::nullopt;
  ShardRows read;
  read.shard_bytes = header.shard_bytes;
  read.rows.resize(count);
  if (!reader.Take(read.rows.data(), count * sizeof(PackRow))) return std::nullopt;
  read.bad_frames.resize(header.bad_frames);
  for (BadFrame& frame : read.bad_frames) {
    if (!reader.Take(&frame.row, sizeof frame.row) || !reader.TakeText(frame.code) || !reader.TakeText(frame.file) || !reader.TakeText(frame.message)) return std::nullopt;
  }
  return reader.End() ? std::optional<ShardRows>(std::move(read)) : std::nullopt;
}

}  // namespace siam::data
