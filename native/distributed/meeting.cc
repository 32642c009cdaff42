#include "meeting.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <thread>
#include <vector>

#include "../base/error.h"

namespace siam::distributed {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* kFailure = "failure";

std::string named(const Meeting& meeting) { return "rank " + std::to_string(meeting.rank) + " of " + std::to_string(meeting.size); }

std::string seconds(std::chrono::milliseconds time) {
  const auto count = time.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

[[noreturn]] void lost_store(const Meeting& meeting, const char* doing) {
  const std::string keeper = meeting.keeps_store || meeting.rank == 0 ? "the store" : "rank 0";
  throw SiamException("ERR_DISTRIBUTED", named(meeting) + " lost " + keeper + " at " + meeting.address + ":" + std::to_string(meeting.port) + " while it " + doing +
                                             " (that process has ended: look at its own messages)");
}

c10::intrusive_ptr<c10d::Store> open_store(const Meeting& meeting) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(meeting.port);
  options.isServer = meeting.keeps_store;
  options.waitWorkers = false;
  options.timeout = meeting.timeout;
  try {
    return c10::make_intrusive<c10d::PrefixStore>(meeting.prefix, c10::make_intrusive<c10d::TCPStore>(meeting.address, options));
  } catch (const std::exception& error) {
    const std::string text = error.what();
    const std::string place = meeting.address + ":" + std::to_string(meeting.port);
    if (meeting.keeps_store && text.find("EADDRINUSE") != std::string::npos) {
      throw SiamException("ERR_DISTRIBUTED", named(meeting) + " cannot listen at port " + std::to_string(meeting.port) + ": another process uses it (set MASTER_PORT to a free one, for all ranks)");
    }
    if (meeting.keeps_store) throw SiamException("ERR_DISTRIBUTED", named(meeting) + " cannot keep the store at " + place + ": " + text.substr(0, text.find('\n')));
    throw SiamException("ERR_DISTRIBUTED", named(meeting) + " did not reach rank 0 at " + place + " within " + seconds(meeting.timeout) + " (is rank 0 running, are MASTER_ADDR and MASTER_PORT its, does a firewall let them through?)");
  }
}

/// Says what another rank has left, if one has failed.
void check_failure(c10d::Store& store, const Meeting& meeting) {
  if (!store.check({kFailure})) return;
  throw SiamException("ERR_DISTRIBUTED", named(meeting) + " ends because another one failed: " + store.get_to_str(kFailure));
}

/// @returns the ranks of `missing` that are still not there
std::vector<int> still_missing(c10d::Store& store, const Meeting& meeting, const std::string& place, const std::vector<int>& missing) {
  std::vector<int> left;
  for (const int rank : missing) {
    const std::string key = place + "/" + std::to_string(rank);
    if (!store.check({key})) {
      left.push_back(rank);
      continue;
    }
    const std::string size = store.get_to_str(key);
    if (size == std::to_string(meeting.size)) continue;
    throw SiamException("ERR_CONFIG", "rank " + std::to_string(rank) + " was started with WORLD_SIZE " + size + ", rank " + std::to_string(meeting.rank) + " with " + std::to_string(meeting.size) +
                                          " (all ranks of a run need the same)");
  }
  return left;
}

/// "rank 1", "ranks 1 and 3", "ranks 1, 2, 3, … (12 in all)"
std::string listed(const std::vector<int>& ranks) {
  constexpr size_t kShown = 8;
  if (ranks.size() == 1) return "rank " + std::to_string(ranks[0]);
  std::string text = "ranks ";
  const size_t shown = std::min(ranks.size(), kShown);
  for (size_t i = 0; i < shown; i++) {
    if (i > 0) text += i + 1 == ranks.size() ? " and " : ", ";
    text += std::to_string(ranks[i]);
  }
  return ranks.size() > kShown ? text + ", … (" + std::to_string(ranks.size()) + " in all)" : text;
}

void wait_for_all(c10d::Store& store, const Meeting& meeting, const std::string& place, const std::atomic<bool>& cancelled) {
  const auto deadline = Clock::now() + meeting.timeout;
  std::vector<int> missing;
  for (int rank = 0; rank < meeting.size; rank++) {
    if (rank != meeting.rank) missing.push_back(rank);
  }
  auto pause = std::chrono::milliseconds(5);
  while (true) {
    missing = still_missing(store, meeting, place, missing);
    if (missing.empty()) return;
    check_failure(store, meeting);
    if (cancelled) throw SiamException("ERR_ABORTED", named(meeting) + " was stopped while it waited for " + listed(missing));
    if (Clock::now() >= deadline) {
      throw SiamException("ERR_DISTRIBUTED", named(meeting) + " waited " + seconds(meeting.timeout) + " for " + listed(missing) + ", which did not come (not started, ended, or with another MASTER_ADDR or MASTER_PORT)");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(200));
  }
}

}  // namespace

c10::intrusive_ptr<c10d::Store> meet(const Meeting& meeting, const std::atomic<bool>& cancelled) {
  auto store = open_store(meeting);
  try {
    if (store->add("came/" + std::to_string(meeting.rank), 1) > 1) {
      throw SiamException("ERR_DISTRIBUTED", named(meeting) + " is there already, at " + meeting.address + ":" + std::to_string(meeting.port) +
                                                 " (two processes have this RANK, or one of an earlier start has not ended yet)");
    }
  } catch (const SiamException&) {
    throw;
  } catch (const std::exception&) {
    lost_store(meeting, "joined the run");
  }
  gather_at(*store, meeting, "start", cancelled);
  return store;
}

void gather_at(c10d::Store& store, const Meeting& meeting, const std::string& place, const std::atomic<bool>& cancelled) {
  try {
    store.set(place + "/" + std::to_string(meeting.rank), std::to_string(meeting.size));
    wait_for_all(store, meeting, place, cancelled);
  } catch (const SiamException&) {
    throw;
  } catch (const std::exception&) {
    lost_store(meeting, "waited for the other ranks");
  }
}

void leave_failed(c10d::Store& store, int rank, const std::string& reason) noexcept {
  try {
    if (store.add("failures", 1) == 1) store.set(kFailure, "rank " + std::to_string(rank) + ": " + reason);
  } catch (...) {
  }
}

}  // namespace siam::distributed
