#include "io/json_keys.h"

#include <cmath>

#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {

Keys::Keys(const Json& object, std::string path) : object_(object), path_(std::move(path)) {}

std::string Keys::path_of(std::string_view name) const { return in_quotes(path_ + std::string(name)); }

const Json* Keys::peek(std::string_view name) const {
  const auto at = object_.find(name);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

bool Keys::has_null(std::string_view name) const {
  const auto at = object_.find(name);
  return at != object_.end() && at->is_null();
}

const Json* Keys::take(Names names, std::string_view& name) {
  const Json* found = nullptr;
  last_.clear();
  const auto look = [&](std::string_view candidate) {
    const Json* value = peek(candidate);
    if (value == nullptr) return;
    read_.emplace(candidate);
    if (found != nullptr) return;
    found = value;
    name = candidate;
    last_ = path_of(candidate);
  };
  for (const std::string_view candidate : names) {
    look(candidate);
    if (const auto own = own_.find(candidate); own != own_.end()) look(own->second);
  }
  return found;
}

void Keys::wanted(std::string_view what, std::string_view name, const Json& value) const {
  const bool plain = value.is_number() || value.is_string() || value.is_boolean();
  // What stands for Python's NaN and Infinity (json.h).
  const bool not_finite = value.is_object() && value.empty();
  if (not_finite) reject("key ", path_of(name), " is NaN, infinite or {}, not ", what);
  const std::string shown = plain ? (value.is_string() ? in_quotes(value.get_ref<const std::string&>()) : value.dump())
                                  : std::string(value.type_name());
  reject("key ", path_of(name), " is ", shown, ", not ", what);
}

double Keys::number_of(const Json& value, std::string_view name) const {
  if (!value.is_number()) wanted("a number", name, value);
  return value.get<double>();
}

std::optional<double> Keys::number(Names names) {
  std::string_view name;
  const Json* value = take(names, name);
  if (value == nullptr) return std::nullopt;
  return number_of(*value, name);
}

std::optional<int64_t> Keys::integer(Names names) {
  std::string_view name;
  const Json* value = take(names, name);
  if (value == nullptr) return std::nullopt;
  const double number = number_of(*value, name);
  if (!(number >= 0 && number <= 0x1p40) || number != std::floor(number)) {
    wanted("an integer from 0 to 2^40", name, *value);
  }
  return static_cast<int64_t>(number);
}

std::optional<bool> Keys::boolean(Names names) {
  std::string_view name;
  const Json* value = take(names, name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number() && (*value == 0 || *value == 1)) return *value == 1;
  wanted("true or false", name, *value);
}

std::optional<std::string> Keys::text(Names names) {
  std::string_view name;
  const Json* value = take(names, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wanted("a string", name, *value);
  return value->get<std::string>();
}

std::optional<std::vector<double>> Keys::numbers(Names names) {
  std::string_view name;
  const Json* value = take(names, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) wanted("a list of numbers", name, *value);
  std::vector<double> list;
  list.reserve(value->size());
  for (const Json& entry : *value) list.push_back(number_of(entry, name));
  return list;
}

const Json* Keys::any(std::string_view name) { return take({name}, name); }

const Json* Keys::array(std::string_view name) {
  const Json* value = take({name}, name);
  if (value != nullptr && !value->is_array()) wanted("a list", name, *value);
  return value;
}

const Json* Keys::object(std::string_view name) {
  const Json* value = take({name}, name);
  if (value != nullptr && !value->is_object()) wanted("an object", name, *value);
  return value;
}

std::vector<std::string> Keys::unread() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_.items()) {
    if (!value.is_null() && read_.find(name) == read_.end()) names.push_back(name);
  }
  return names;
}

}  // namespace simdrope::io
