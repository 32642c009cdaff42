// A pack: the pictures around the targets of one data set in a few big files (docs/packs.md), and a table that says where each is. Made
// by `siamtrain data pack`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../image.h"
#include "open_shards.h"

namespace siam::data {

/// What is stored for one frame: a row of the table as it is in the file, little endian (lib/data/pack/format.ts has the same).
struct PackRow {
  uint64_t offset = 0;        ///< of the JPEG's first byte in its shard
  uint32_t bytes = 0;         ///< of the JPEG; 0: nothing is stored, because the frame was bad
  uint32_t crc = 0;           ///< CRC-32C of the JPEG
  uint32_t shard = 0;
  uint32_t frame_width = 0;   ///< of the frame that the picture was cut from
  uint32_t frame_height = 0;
  uint32_t mean = 0;          ///< truncated mean of the whole frame, 0xFFrrggbb
  PixelGrid grid;             ///< from the stored picture's pixels to the frame's

  Bgr Mean() const { return {static_cast<uint8_t>(mean), static_cast<uint8_t>(mean >> 8), static_cast<uint8_t>(mean >> 16)}; }
};
static_assert(sizeof(PackRow) == 64 && sizeof(PixelGrid) == 32, "rows are in files");

/// Bounds of a grid that keep every pixel of any picture within int. Reading refuses others, so writing must not make them.
constexpr double kMaxGridOrigin = 1e9;
constexpr double kMaxGridStep = 1e4;
bool UsableGrid(const PixelGrid& grid);

/// Name of a picture in its shard: that of its frame. Objects of a still picture beyond the first have a number: NAME~1.jpg.
std::string PackMember(std::string frame, uint32_t object);

/// A shard and what the manifest says of it.
struct PackShard {
  std::string path;
  uint64_t bytes = 0;
};

/// Thread-safe. Nothing is mapped: a file that is cut short while a training runs then costs samples, and not the process its life.
class PackFile {
 public:
  /// Reads the table once from end to end (its checksum, and that each row lies inside of its shard) and looks at the shards' sizes.
  /// @throws ERR_IO when a file cannot be read, ERR_DATA when the table is damaged, or a shard is missing or of another size
  static std::shared_ptr<const PackFile> Open(const std::string& table, std::vector<PackShard> shards);

  uint64_t rows() const { return rows_; }
  /// Rows that have a picture.
  uint64_t stored() const { return stored_; }
  /// CRC-32C of the rows. They hold a checksum of each picture, so that it stands for the pack's contents.
  uint32_t rows_crc() const { return rows_crc_; }

  /// @param member  the picture's name in its shard, for messages
  /// @throws ERR_DATA when nothing is stored for the frame or the table was cut short since it was opened, ERR_IO
  PackRow Row(uint64_t row, const std::string& member) const;

  /// Reads a picture and compares its checksum.
  /// @param buffer  grown as needed, never shrunk     @returns the bytes of the JPEG
  /// @throws ERR_DATA when it is cut short or damaged, ERR_IO when it cannot be read, ERR_SETUP when no more files can be opened
  size_t Read(const PackRow& row, const std::string& member, std::vector<uint8_t>& buffer) const;

  /// Where a picture is, for messages: SHARD:MEMBER.
  std::string Place(const PackRow& row, const std::string& member) const;

  ~PackFile();
  PackFile(const PackFile&) = delete;
  PackFile& operator=(const PackFile&) = delete;

 private:
  PackFile() = default;
  void CheckRows(uint64_t rows, uint32_t expected_crc);

  std::string table_path_;
  int table_ = -1;
  uint64_t rows_ = 0;
  uint64_t stored_ = 0;
  uint32_t rows_crc_ = 0;
  std::vector<PackShard> shards_;
  std::unique_ptr<OpenShards> open_;
};

}  // namespace siam::data
