#include "pack_verify.h"

#include <fstream>
#include <utility>

#include "../../base/error.h"
#include "../crc32c.h"
#include "out_file.h"
#include "table_header.h"

namespace siam::data {

PackVerifier::PackVerifier(const std::string& table, std::vector<PackShard> shards, const std::vector<uint64_t>& entries,
                           std::shared_ptr<const DatasetIndex> members, int threads, size_t keep)
    : table_(table),
      shards_(std::move(shards)),
      names_(std::move(members)),
      keep_(keep),
      parts_(shards_.size()),
      job_(shards_.size(), threads, [this](PackJob&) -> PackJob::Task { return [this](size_t shard) { Verify(shard); }; }) {
  ReadTable(entries);
}

void PackVerifier::ReadTable(const std::vector<uint64_t>& entries) {
  const auto expect = [&](bool holds, const std::string& what) {
    if (!holds) throw SiamException("ERR_DATA", what, table_);
  };
  InFile file(table_);
  PackRow row;
  PackTableHeader header(0, 0);
  const std::string fault = header.Problem(file.Read(&header, sizeof header));
  expect(fault.empty(), fault);
  const uint64_t size = sizeof header + header.rows * sizeof row;
  expect(header.rows == names_.rows() && file.size() == size, "Expected a table of " + std::to_string(names_.rows()) + " rows, as the index has, but it has " +
                                                                  std::to_string(header.rows) + " in " + std::to_string(file.size()) + " bytes");
  uint32_t crc = 0;
  std::vector<uint64_t> stored(parts_.size());
  uint32_t shard = 0;
  std::string problem;
  for (uint64_t i = 0; i < names_.rows(); ++i) {
    expect(file.Read(&row, sizeof row) == sizeof row, "the pack's table is cut short");
    crc = Crc32c(&row, sizeof row, crc);
    if (row.shard >= parts_.size() || row.shard < shard) {
      if (problem.empty()) problem = "row " + std::to_string(i) + " of the pack's table names shard " + std::to_string(row.shard) + " after shard " + std::to_string(shard);
      continue;
    }
    shard = row.shard;
    Part& part = parts_[shard];
    if (part.count++ == 0) part.first = i;
    if (row.bytes > 0) ++stored[shard];
  }
  // The checksum comes first: a flipped bit is told as one, whatever it makes of its row.
  expect(crc == header.rows_crc, "the pack's table is damaged: its rows do not have the checksum that its header has");
  expect(problem.empty(), problem);
  for (size_t s = 0; s < parts_.size(); ++s) {
    expect(stored[s] == entries[s], "the pack's table has " + std::to_string(stored[s]) + " pictures in shard " + std::to_string(s) + ", its manifest " +
                                        std::to_string(entries[s]));
  }
}

std::vector<PackRow> PackVerifier::RowsOf(const Part& part) const {
  std::vector<PackRow> rows(part.count);
  std::ifstream file(table_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>((part.first + 1) * sizeof(PackRow)));
  file.read(reinterpret_cast<char*>(rows.data()), static_cast<std::streamsize>(rows.size() * sizeof(PackRow)));
  if (!file) throw SiamException("ERR_IO", "the pack's table cannot be read any more", table_);
  return rows;
}

void PackVerifier::Verify(size_t shard) {
  Part& part = parts_[shard];
  const auto report = [&](ShardProblem problem) {
    ++part.problem_count;
    if (!problem.member.empty()) ++part.member_problem_count;
    ++job_.bad;
    if (part.problems.size() < keep_) part.problems.push_back(std::move(problem));
  };
  try {
    CheckShard(
        shards_[shard].path, names_, part.first, RowsOf(part),
        [&] {
          job_.ThrowIfStopping();
          ++job_.rows;
        },
        report);
  } catch (const SiamException& error) {
    if (error.code() != "ERR_IO" || error.file() != shards_[shard].path) throw;
    report({"", error.what()});
  }
  job_.bytes += shards_[shard].bytes;
}

std::vector<PackVerifier::Problem> PackVerifier::problems() const {
  std::vector<Problem> all;
  for (size_t s = 0; s < parts_.size(); ++s) {
    for (const ShardProblem& problem : parts_[s].problems) {
      if (all.size() < keep_) all.push_back({shards_[s].path, problem});
    }
  }
  return all;
}

uint64_t PackVerifier::problem_count() const {
  uint64_t count = 0;
  for (const Part& part : parts_) count += part.problem_count;
  return count;
}

uint64_t PackVerifier::member_problem_count() const {
  uint64_t count = 0;
  for (const Part& part : parts_) count += part.member_problem_count;
  return count;
}

}  // namespace siam::data
