#include "tar_format.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace siam::data {
namespace {

constexpr size_t kNameBytes = 100, kPrefixBytes = 155;

struct UstarName {
  std::string prefix, name;
  bool fits = false;
};

/// Splits a name at a '/' so that both parts have room.
UstarName Split(const std::string& name) {
  if (name.size() <= kNameBytes) return {"", name, true};
  if (name.size() > kPrefixBytes + 1 + kNameBytes) return {};
  const size_t from = name.size() - kNameBytes - 1;
  const size_t slash = name.find('/', from);
  if (slash == std::string::npos || slash == 0 || slash > kPrefixBytes || slash + 1 == name.size()) return {};
  return {name.substr(0, slash), name.substr(slash + 1), true};
}

bool Ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void Octal(char* field, size_t bytes, uint64_t value) {
  field[bytes - 1] = '\0';
  for (size_t i = bytes - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
}

std::string Block(const UstarName& name, uint64_t size, char type) {
  std::string block(kTarBlock, '\0');
  char* at = block.data();
  std::memcpy(at, name.name.data(), std::min(name.name.size(), kNameBytes));
  Octal(at + 100, 8, 0644);
  Octal(at + 108, 8, 0);
  Octal(at + 116, 8, 0);
  Octal(at + 124, 12, size);
  Octal(at + 136, 12, 0);
  at[156] = type;
  std::memcpy(at + 257, "ustar\00000", 8);
  Octal(at + 329, 8, 0);
  Octal(at + 337, 8, 0);
  std::memcpy(at + 345, name.prefix.data(), std::min(name.prefix.size(), kPrefixBytes));
  // The sum of all bytes, those of its own field taken for spaces.
  std::memset(at + 148, ' ', 8);
  uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  Octal(at + 148, 7, sum);
  return block;
}

/// A record of a pax header begins with its own length.
std::string PaxRecord(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) length = std::to_string(length).size() + rest.size();
  return std::to_string(length) + rest;
}

}  // namespace

std::string TarHeader(const std::string& name, uint64_t size) {
  const UstarName split = Split(name);
  if (split.fits && Ascii(name)) return Block(split, size, '0');
  // Programs that know no pax show these names; what they hold stays readable.
  std::string plain = name.substr(name.rfind('/') + 1).substr(0, kNameBytes - 12);
  std::replace_if(plain.begin(), plain.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '_');
  const std::string record = PaxRecord("path", name);
  std::string header = Block({"", "PaxHeaders/" + plain, true}, record.size(), 'x') + record;
  header.append(TarPadding(record.size()), '\0');
  return header + Block({"", plain, true}, size, '0');
}

}  // namespace siam::data
