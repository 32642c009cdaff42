#include "mean_job.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "../base/error.h"
#include "file.h"
#include "frame_decoder.h"

namespace siam::data {
namespace {

struct Shared {
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  MeanJobResult result;
  uint64_t first_failed = UINT64_MAX;
  std::exception_ptr fatal;
};

void Work(const DatasetIndex& index, uint64_t first, uint64_t count, Shared& shared) {
  FrameDecoder decoder;
  std::vector<uint8_t> bytes, pixels;
  for (uint64_t i; (i = shared.next.fetch_add(1)) < count;) {
    const uint64_t row = first + i;
    const auto [sequence, frame] = index.AtRow(row);
    // The objects of a still share the mean of their picture, which the first of them has.
    if ((index.still() && frame > 0) || index.HasMean(sequence, frame)) continue;
    const std::string path = index.Path(sequence, frame);
    try {
      const size_t size = ReadFile(path, bytes);
      const FrameInfo info = decoder.Header(bytes.data(), size, path);
      // No pixel is wanted, only what they add up to.
      Bgr mean;
      decoder.DecodeRegionAndMean(info, {0, 0, 1, 1}, bytes.data(), size, path, pixels, mean);
      index.RememberMean(sequence, frame, MeanTable::CheckOf(bytes.data(), size), mean);
      const std::lock_guard<std::mutex> lock(shared.mutex);
      ++shared.result.computed;
    } catch (const SiamException& error) {
      const std::lock_guard<std::mutex> lock(shared.mutex);
      if (error.code() != "ERR_DATA" && error.code() != "ERR_IO") {
        shared.fatal = std::current_exception();
        shared.next.store(count);
        return;
      }
      ++shared.result.failed;
      if (row >= shared.first_failed) continue;
      shared.first_failed = row;
      shared.result.first_file = path;
      shared.result.first_reason = error.what();
    } catch (...) {
      const std::lock_guard<std::mutex> lock(shared.mutex);
      shared.fatal = std::current_exception();
      shared.next.store(count);
      return;
    }
  }
}

}  // namespace

MeanJobResult ComputeMeans(const DatasetIndex& index, uint64_t first, uint64_t count, int threads) {
  count = first < index.rows() ? std::min(count, index.rows() - first) : 0;
  Shared shared;
  std::vector<std::thread> team;
  try {
    for (int t = 1; t < threads; ++t) team.emplace_back([&] { Work(index, first, count, shared); });
  } catch (const std::system_error&) {
    // No more threads to be had: those that run, and this one, do it all.
  }
  Work(index, first, count, shared);
  for (std::thread& thread : team) thread.join();
  if (shared.fatal) std::rethrow_exception(shared.fatal);
  return shared.result;
}

}  // namespace siam::data
