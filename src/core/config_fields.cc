#include "core/config_fields.h"

#include <cstring>

namespace simdrope::impl {
namespace {

constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, odd

uint64_t Mixed(uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t HashOfName(const char* name) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name != '\0'; ++name) hash = (hash ^ static_cast<unsigned char>(*name)) * 0x100000001b3u;
  return hash;
}

// A field's value as 64 bits, the same on every machine; both zeros alike.
uint64_t BitsOf(double value) {
  if (value == 0) return 0;
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
template <class Integer>
uint64_t BitsOf(Integer value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

struct Hash {
  uint64_t hash = 0;

  template <class T>
  void Value(const Field&, const T& x) {
    hash = (hash ^ BitsOf(x)) * kMultiplier;
  }
  template <class T, size_t n>
  void Array(const Field& field, const T (&x)[n]) {
    for (const T& each : x) Value(field, each);
  }
  template <class FieldList>
  void List(FieldList, const simdrope_config&) {}
};

// A sum over fields, so that their order does not matter.
struct Fingerprint {
  uint64_t sum = 0;

  void Add(const char* name, uint64_t bits) { sum += Mixed(HashOfName(name) + kMultiplier * bits); }

  template <class T>
  void Value(const Field& field, const T& x, const T& otherwise) {
    if (x != otherwise) Add(field.name, BitsOf(x));
  }
  template <class T, size_t n>
  void Array(const Field& field, const T (&x)[n], const T (&otherwise)[n]) {
    static_assert(n < 10, "one digit for the index");
    for (size_t i = 0; i < n; ++i) {
      if (x[i] == otherwise[i]) continue;
      char name[40];
      const size_t length = std::min(std::strlen(field.name), sizeof(name) - 4);
      std::memcpy(name, field.name, length);
      name[length] = '[';
      name[length + 1] = static_cast<char>('0' + i);
      name[length + 2] = ']';
      name[length + 3] = '\0';
      Add(name, BitsOf(x[i]));
    }
  }
  template <class FieldList>
  void List(FieldList list, const simdrope_config& config, const simdrope_config&) {
    if (!list.IsUsed(config)) return;
    uint64_t hash = HashOfName(list.field.name);
    for (int32_t i = 0; i < list.Count(config); ++i) hash = Mixed(hash * kMultiplier + BitsOf(list.Values(config)[i]));
    sum += hash;
  }
};

}  // namespace

uint64_t HashOfFields(const simdrope_config& config) {
  Hash visitor;
  VisitFields(visitor, config);
  return visitor.hash;
}

uint64_t FingerprintOf(const simdrope_config& config, int32_t rotary_dim, int32_t split) {
  simdrope_config resolved = config, defaults;
  simdrope_config_init(&defaults);
  resolved.rotary_dim = rotary_dim;
  resolved.split = split;
  if (!FactorsList::IsUsed(config)) resolved.scaling.factor_count = 0;
  if (!PairAxisList::IsUsed(config)) resolved.axes.pair_axis_count = 0;
  Fingerprint visitor;
  VisitFields(visitor, resolved, defaults);
  const uint64_t fingerprint = Mixed(visitor.sum);
  return fingerprint != 0 ? fingerprint : 1;
}

}  // namespace simdrope::impl
