// Typed access to the keys of a JSON object that remembers which were asked for.
#ifndef SIMDROPE_IO_JSON_KEYS_H_
#define SIMDROPE_IO_JSON_KEYS_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace simdrope::io {

class Keys {
 public:
  using Names = std::initializer_list<std::string_view>;  // synonyms; the first that is present counts

  // `path`: how messages call the object, "" for the outermost, else ending in ".". The object must
  // outlive this. Keys whose value is null count as absent.
  Keys(const Json& object, std::string path);

  // Absent: none. Another type than asked for is rejected by name.
  std::optional<double> number(Names names);
  std::optional<int64_t> integer(Names names);  // 0 to 2^40
  std::optional<bool> boolean(Names names);     // also 0 and 1
  std::optional<std::string> text(Names names);
  std::optional<std::vector<double>> numbers(Names names);
  const Json* any(std::string_view name);
  const Json* array(std::string_view name);
  const Json* object(std::string_view name);

  void ignore(std::string_view name) { read_.emplace(name); }
  // From now on the key `own` is a synonym of `name`.
  void rename(std::string_view name, std::string_view own) { own_.emplace(name, own); }
  // The key that gave the value asked for last, in quotes; "" if it was absent.
  const std::string& last() const { return last_; }
  bool has(std::string_view name) const { return peek(name) != nullptr; }
  bool has_null(std::string_view name) const;
  std::string path_of(std::string_view name) const;  // in quotes, for a message
  const std::string& path() const { return path_; }
  std::vector<std::string> unread() const;  // present, and never asked for

 private:
  const Json* peek(std::string_view name) const;
  const Json* take(Names names, std::string_view& name);
  double number_of(const Json& value, std::string_view name) const;
  [[noreturn]] void wanted(std::string_view what, std::string_view name, const Json& value) const;

  const Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> read_;
  std::map<std::string, std::string, std::less<>> own_;
  std::string last_;
};

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_JSON_KEYS_H_
