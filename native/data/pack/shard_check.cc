#include "shard_check.h"

#include <algorithm>
#include <cstring>

#include "../crc32c.h"
#include "out_file.h"
#include "tar_format.h"

namespace siam::data {

std::string MemberNames::Name(uint64_t row) const {
  const DatasetIndex::Place place = PlaceOf(row);
  return PackMember(index_->Path(place.sequence, place.frame), index_->still() ? place.frame : 0);
}

void CheckShard(const std::string& path, const MemberNames& names, uint64_t first_row, const std::vector<PackRow>& rows,
                const std::function<void()>& tick, const std::function<void(ShardProblem)>& report) {
  InFile file(path);
  std::vector<uint8_t> bytes;
  uint64_t at = 0;
  const auto take = [&](size_t size) {
    if (bytes.size() < size) bytes.resize(size);
    at += size;
    return file.Read(bytes.data(), size) == size;
  };
  const auto zeros = [&](size_t size) {
    return take(size) && std::all_of(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size), [](uint8_t byte) { return byte == 0; });
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const PackRow& row = rows[i];
    tick();
    if (row.bytes == 0) continue;
    const std::string name = names.Name(first_row + i);
    const std::string header = TarHeader(name, row.bytes);
    const uint64_t begins = at + header.size(), ends = begins + row.bytes + TarPadding(row.bytes);
    if (ends > file.size()) {
      report({name, "the shard ends before it: it has " + std::to_string(file.size()) + " bytes, this member ends at " + std::to_string(ends)});
      return;  // and so do all after it
    }
    const bool same_header = take(header.size()) && std::memcmp(bytes.data(), header.data(), header.size()) == 0;
    const bool same_picture = take(row.bytes) && Crc32c(bytes.data(), row.bytes) == row.crc;
    const bool same_end = zeros(TarPadding(row.bytes));
    if (row.offset != begins) report({name, "the table has it at byte " + std::to_string(row.offset) + ", the shard at " + std::to_string(begins)});
    if (!same_picture) report({name, "its bytes do not have the checksum that the table has"});
    if (!same_header) report({name, "its header in the tar is damaged"});
    if (!same_end) report({name, "the zeros behind it are damaged"});
  }
  if (!zeros(kTarEnd) || at != file.size()) {
    report({"", "expected it to end at byte " + std::to_string(at) + " with " + std::to_string(kTarEnd) + " zeros, but it has " + std::to_string(file.size()) + " bytes or others there"});
  }
}

}  // namespace siam::data
