#include "index_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "../../base/error.h"
#include "../crc32c.h"
#include "../index_file.h"
#include "../sampler.h"

using namespace siam::data;

namespace {

using Bytes = std::vector<char>;

void Write(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

template <class T>
Bytes BytesOf(const std::vector<T>& items) {
  Bytes bytes(items.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), items.data(), bytes.size());
  return bytes;
}

Bytes BytesOf(const std::string& text) { return {text.begin(), text.end()}; }

template <class T>
void Put(Bytes& to, size_t at, T value) {
  std::memcpy(to.data() + at, &value, sizeof(T));
}

void Sign(Bytes& file) {
  for (size_t i = 0; i < 12; ++i) {
    uint64_t offset, bytes;
    std::memcpy(&offset, file.data() + 64 + i * 24, 8);
    std::memcpy(&bytes, file.data() + 72 + i * 24, 8);
    bytes = (bytes + 63) / 64 * 64;
    if (offset <= file.size() && bytes <= file.size() - offset) Put<uint32_t>(file, 80 + i * 24, Crc32c(file.data() + offset, bytes));
  }
  Put<uint32_t>(file, 508, Crc32c(file.data(), 508));
}

/// Three sequences of 20 frames: counted, with numbers, with names; one file that they depend on.
Bytes MakeFile(const std::string& watched) {
  std::vector<Xyxy> boxes;
  for (int k = 0; k < 60; ++k) boxes.push_back({10.0f + k, 20, 50.0f + k, 60});
  std::vector<SequenceRow> rows(3);
  rows[0] = {0, 1, 1, 0, 0, 0, {0, 0}};
  rows[1] = {0, 1, 0, 1, 0, 0, {0, 0}};
  rows[2] = {0, 0, 0, 2, 0, 0, {0, 0}};
  std::vector<int32_t> numbers;
  std::vector<uint32_t> name_offsets{0};
  std::string names;
  for (int k = 0; k < 20; ++k) {
    numbers.push_back(3 * k);
    names += "n" + std::to_string(k) + ".jpg";
    name_offsets.push_back(static_cast<uint32_t>(names.size()));
  }
  const std::vector<Bytes> sections = {BytesOf(boxes),
                                       BytesOf(std::vector<uint32_t>{0, 20, 40, 60}),
                                       BytesOf(rows),
                                       BytesOf(numbers),
                                       BytesOf(name_offsets),
                                       BytesOf(names),
                                       BytesOf(std::vector<uint32_t>{0, 2, 10}),
                                       BytesOf(std::string("/d%08d.jpg")),
                                       BytesOf(std::vector<uint32_t>{0, static_cast<uint32_t>(watched.size())}),
                                       BytesOf(watched),
                                       BytesOf(std::vector<FileState>{StateOf(watched)}),
                                       BytesOf(std::string("{}"))};
  Bytes file(512);
  std::memcpy(file.data(), "SIAMIDX\n", 8);
  Put<uint32_t>(file, 8, 1);
  Put<uint64_t>(file, 24, 3);
  Put<uint64_t>(file, 32, 60);
  Put<uint32_t>(file, 44, 12);
  for (size_t i = 0; i < sections.size(); ++i) {
    Put<uint64_t>(file, 64 + i * 24, file.size());
    Put<uint64_t>(file, 72 + i * 24, sections[i].size());
    file.insert(file.end(), sections[i].begin(), sections[i].end());
    file.resize((file.size() + 63) / 64 * 64);
  }
  Put<uint64_t>(file, 16, file.size());
  Sign(file);
  return file;
}

bool Opens(const std::string& path) {
  try {
    const auto file = IndexFile::Open(path);
    const DatasetIndex index("fuzzed", 1, 5, IndexFile::Sections(file), file->stills());
    for (uint32_t s = 0; s < index.sequences(); ++s) {
      for (uint32_t k = 0; k < index.frames(s); ++k) index.Path(s, k), index.box(s, k);
    }
    file->FirstChange();
    return true;
  } catch (const siam::SiamException&) {
    return false;
  }
}

}  // namespace

void CheckIndexFiles(const std::string& folder, void (*expect)(bool, const char*)) {
  for (size_t size = 0; size < 70; ++size) {
    const std::string text(size, 'x');
    expect(Crc32c(text.data(), size) == Crc32cPortable(text.data(), size), "the CPU's CRC and ours agree");
    expect(Crc32c(text.data() + size / 2, size - size / 2, Crc32c(text.data(), size / 2)) == Crc32c(text.data(), size), "a CRC can be continued");
  }
  mkdir(folder.c_str(), 0755);
  const std::string path = folder + "/file", watched = folder + "/watched";
  Write(watched, {'a'});
  const Bytes good = MakeFile(watched);
  Write(path, good);
  auto file = IndexFile::Open(path);
  expect(file->sequences() == 3 && file->frames() == 60 && file->meta() == "{}" && !file->FirstChange(), "a good file opens");
  {
    const auto index = std::make_shared<DatasetIndex>("cached", 1, 5, IndexFile::Sections(file));
    expect(index->Path(0, 0) == "/d/00000001.jpg" && index->Path(1, 2) == "/d/00000006.jpg" && index->Path(2, 19) == "/d/n19.jpg", "names of all three kinds");
    // Its handle and its name go; the threads that sample it keep the mapping.
    file.reset();
    unlink(path.c_str());
    const PairSampler sampler({index}, {});
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (uint32_t i = 0; i < 2000; ++i) {
          const FrameRef ref{0, (i + t) % 3, i % 20};
          Bgr mean{1, 2, 3};
          index->RememberMean(ref.sequence, ref.frame, 7, mean);
          index->KnownMean(ref.sequence, ref.frame, 7, mean);
          sampler.Path(ref);
          sampler.Box(ref);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  Write(path, good);
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    Write(path, bad);
    bool opened = Opens(path);
    expect(!opened, "a file with a changed byte is refused");
    // Signed again it may open; it must then be readable without harm.
    for (const char value : {'\x00', '\x01', '\x7f', '\xff'}) {
      bad[at] = value;
      Sign(bad);
      Write(path, bad);
      opened |= Opens(path);
    }
  }
  for (size_t size = 0; size < good.size(); size += 37) {
    Write(path, Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(size)));
    expect(!Opens(path), "a file that was cut is refused");
  }
  Write(path, good);
  const auto before = IndexFile::Open(path);
  Write(watched, {'b', 'c'});
  const auto change = before->FirstChange();
  expect(change && change->path == watched && change->before.bytes == 1 && change->now.bytes == 2, "a changed file is noticed");
  const FileState entries = StateOf(folder + "/*");
  expect(entries.kind == 5 && entries.bytes == 2 && entries == StateOf(folder + "/*"), "the entries of a folder have a state");
  Write(watched, {'b', 'd', 'e'});
  expect(!(entries == StateOf(folder + "/*")), "an edit of one of them changes it");
  expect(StateOf(folder + "/none/*").kind == 0 && StateOf(folder + "/none").kind == 0, "what is missing is missing");
}
