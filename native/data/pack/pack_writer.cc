#include "pack_writer.h"

#include <cstdio>
#include <cstring>

#include "../crc32c.h"
#include "out_file.h"
#include "shard_rows.h"
#include "table_header.h"
#include "tar_format.h"

namespace siam::data {

PackWriter::PackWriter(std::shared_ptr<const DatasetIndex> frames, std::shared_ptr<const DatasetIndex> members, PackWriterConfig config)
    : frames_(std::move(frames)),
      config_(std::move(config)),
      names_(std::move(members)),
      results_(config_.shards),
      old_table_(config_.folder + "/frames.siampak", names_.rows()),
      job_(config_.shards, config_.threads, [this](PackJob& job) -> PackJob::Task {
        auto maker = std::make_shared<PictureMaker>(frames_, config_.picture);
        return [this, &job, maker](size_t shard) { Shard(job, *maker, shard); };
      }) {
  if (config_.shards < 1) throw SiamException("ERR_ARGUMENT", "Expected at least one shard");
}

PackWriter::Rows PackWriter::RowsOf(uint64_t shard) const {
  const uint64_t rows = names_.rows(), shards = config_.shards;
  // In two parts: the product of both numbers may not fit.
  const auto from = [&](uint64_t n) { return rows / shards * n + rows % shards * n / shards; };
  return {from(shard), from(shard + 1) - from(shard)};
}

std::string PackWriter::ShardPath(size_t shard) const {
  char name[32];
  std::snprintf(name, sizeof name, "/shard-%05zu.tar", shard);
  return config_.folder + name;
}

std::string PackWriter::RowsPath(size_t shard) const {
  char name[32];
  std::snprintf(name, sizeof name, "/shard-%05zu.rows", shard);
  return config_.work_folder + name;
}

namespace {

/// The size that a shard of these rows has.
uint64_t ShardBytes(const std::vector<PackRow>& rows) {
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    if (row->bytes > 0) return row->offset + row->bytes + TarPadding(row->bytes) + kTarEnd;
  }
  return kTarEnd;
}

}  // namespace

void PackWriter::Shard(PackJob& job, PictureMaker& maker, size_t shard) {
  if (!Reuse(job, shard)) Write(job, maker, shard);
}

std::optional<ShardRows> PackWriter::KnownRows(size_t shard) {
  const Rows part = RowsOf(shard);
  const auto number = static_cast<uint32_t>(shard);
  std::optional<ShardRows> known = ReadShardRows(RowsPath(shard), number, part.first, part.count);
  if (known) return known;
  // A pack that was finished before has them in its table only.
  std::optional<std::vector<PackRow>> rows = old_table_.Read(part.first, part.count);
  if (!rows) return std::nullopt;
  for (const PackRow& row : *rows) {
    if (row.shard != number) return std::nullopt;
  }
  const uint64_t bytes = ShardBytes(*rows);
  return ShardRows{std::move(*rows), bytes};
}

bool PackWriter::Reuse(PackJob& job, size_t shard) {
  const Rows part = RowsOf(shard);
  const std::optional<ShardRows> known = KnownRows(shard);
  if (!known) return false;
  for (const PackRow& row : known->rows) {
    if (row.bytes == 0) return false;
  }
  bool whole = true;
  try {
    CheckShard(ShardPath(shard), names_, part.first, known->rows, [&] { job.ThrowIfStopping(); }, [&](const ShardProblem&) { whole = false; });
  } catch (const SiamException& error) {
    if (error.code() != "ERR_IO") throw;
    return false;
  }
  if (!whole) return false;
  // The table is written from these files; where the rows came from an older table, they are not there yet.
  WriteShardRows(RowsPath(shard), static_cast<uint32_t>(shard), part.first, *known);
  results_[shard] = {known->shard_bytes, part.count, 0, true, {}};
  job.rows += part.count;
  job.reused += part.count;
  job.bytes += known->shard_bytes;
  return true;
}

void PackWriter::CountBad(PackJob& job, const BadFrame& bad) {
  const std::lock_guard<std::mutex> lock(bad_mutex_);
  if (!first_bad_) first_bad_ = bad;
  if (++job.bad <= config_.max_bad) return;
  throw SiamException("ERR_DATA",
                      std::to_string(config_.max_bad + 1) + " frames of " + std::to_string(names_.rows()) + " could not be used, and at most " + std::to_string(config_.max_bad) +
                          " may be; the first: " + first_bad_->message,
                      first_bad_->file);
}

void PackWriter::Write(PackJob& job, PictureMaker& maker, size_t shard) {
  const Rows part = RowsOf(shard);
  ShardRows written;
  written.rows.reserve(part.count);
  ShardResult result;
  OutFile file(ShardPath(shard));
  for (uint64_t i = part.first; i < part.first + part.count; ++i) {
    job.ThrowIfStopping();
    const DatasetIndex::Place place = names_.PlaceOf(i);
    PackRow row;
    try {
      const EncodedPicture picture = maker.Make(place.sequence, place.frame, row);
      const std::string header = TarHeader(names_.Name(i), picture.size);
      file.Write(header.data(), header.size());
      row.offset = file.size();
      row.crc = Crc32c(picture.data, picture.size);
      file.Write(picture.data, picture.size);
      file.Zeros(TarPadding(picture.size));
      ++result.entries;
      job.bytes += header.size() + picture.size + TarPadding(picture.size);
    } catch (const SiamException& error) {
      // What is wrong with the shard or the machine is no frame's fault.
      if (!IsFramesFault(error)) {
        if (error.code() != "ERR_IO" || error.file() == ShardPath(shard)) throw;
        throw SiamException("ERR_IO", std::string(error.what()) + "; that is not taken for the frame's fault: the work ends here, and the same command goes on", error.file());
      }
      if (config_.strict) throw;
      row = PackRow{};
      ++result.bad;
      const BadFrame bad{i, error.code(), error.file(), error.what()};
      if (result.bad_frames.size() < kMaxBadKept) result.bad_frames.push_back(bad);
      CountBad(job, bad);
    }
    row.shard = static_cast<uint32_t>(shard);
    written.rows.push_back(row);
    ++job.rows;
  }
  file.Zeros(kTarEnd);
  file.Commit();
  job.bytes += kTarEnd;
  result.bytes = file.size();
  written.shard_bytes = result.bytes;
  WriteShardRows(RowsPath(shard), static_cast<uint32_t>(shard), part.first, written);
  results_[shard] = std::move(result);
}

void PackWriter::WriteTable() {
  const std::string path = config_.folder + "/frames.siampak";
  uint32_t crc = 0;
  const auto each = [&](const std::function<void(const std::vector<PackRow>&)>& use) {
    for (size_t shard = 0; shard < config_.shards; ++shard) {
      job_.ThrowIfStopping();
      const Rows part = RowsOf(shard);
      const std::optional<ShardRows> read = ReadShardRows(RowsPath(shard), static_cast<uint32_t>(shard), part.first, part.count);
      if (!read) throw SiamException("ERR_IO", "the rows of a shard that was complete cannot be read any more", RowsPath(shard));
      use(read->rows);
    }
  };
  // Twice, because the checksum of all rows stands before them and they may be more than memory should hold.
  each([&](const std::vector<PackRow>& rows) { crc = Crc32c(rows.data(), rows.size() * sizeof(PackRow), crc); });
  OutFile file(path);
  const PackTableHeader header(names_.rows(), crc);
  file.Write(&header, sizeof header);
  each([&](const std::vector<PackRow>& rows) { file.Write(rows.data(), rows.size() * sizeof(PackRow)); });
  file.Commit();
  table_bytes_ = file.size();
}

}  // namespace siam::data
