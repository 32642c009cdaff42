// What torch's ProcessGroupGloo.hpp needs of gloo's headers, which the wheel lacks. Only pointers to these types cross between us and
// libtorch: nothing here is constructed, copied or destroyed by our code. Signatures are gloo's, since the virtual table's order counts.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class Device;
class UnboundBuffer;
}  // namespace transport

namespace rendezvous {
class Store {
 public:
  virtual ~Store();
  virtual void set(const std::string& key, const std::vector<char>& data) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) = 0;
  virtual bool has_v2_support() { return false; }
  virtual std::vector<std::vector<char>> multi_get(const std::vector<std::string>& keys) { return {}; }
  virtual void multi_set(const std::vector<std::string>& keys, const std::vector<std::vector<char>>& values) {}
  virtual void append(const std::string& key, const std::vector<char>& data) {}
  virtual int64_t add(const std::string& key, int64_t value) { return 0; }
};
}  // namespace rendezvous

}  // namespace gloo
