#include "table_rows.h"

#include <algorithm>
#include <fstream>

#include "../../base/error.h"
#include "out_file.h"
#include "table_header.h"

namespace siam::data {

bool TableRows::Sound() const {
  try {
    InFile file(path_);
    PackTableHeader header(0, 0);
    if (!header.Problem(file.Read(&header, sizeof header)).empty() || header.rows != rows_) return false;
    std::vector<PackRow> piece(1 << 12);
    uint32_t crc = 0;
    for (uint64_t left = rows_; left > 0;) {
      const size_t size = static_cast<size_t>(std::min<uint64_t>(left, piece.size())) * sizeof(PackRow);
      if (file.Read(piece.data(), size) != size) return false;
      crc = Crc32c(piece.data(), size, crc);
      left -= size / sizeof(PackRow);
    }
    return crc == header.rows_crc;
  } catch (const SiamException&) {
    return false;
  }
}

std::optional<std::vector<PackRow>> TableRows::Read(uint64_t first, uint64_t count) {
  std::call_once(checked_, [&] { sound_ = Sound(); });
  if (!sound_) return std::nullopt;
  std::vector<PackRow> rows(static_cast<size_t>(count));
  std::ifstream file(path_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>((first + 1) * sizeof(PackRow)));
  file.read(reinterpret_cast<char*>(rows.data()), static_cast<std::streamsize>(rows.size() * sizeof(PackRow)));
  if (!file) return std::nullopt;
  return rows;
}

}  // namespace siam::data
