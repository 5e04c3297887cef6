// The Ropes that simdrope_get_rope remembers.
#include <list>
#include <mutex>
#include <new>
#include <string>

#include "angle/rope.h"
#include "core/status.h"

namespace simdrope::impl {
namespace {

constexpr size_t kRemembered = 64;

template <class T>
void Append(std::string& key, const T& field) {
  key.append(reinterpret_cast<const char*>(&field), sizeof(field));
}

// Two checked configs have the same key if and only if all their fields are the same, list entries as
// far as they are used.
std::string KeyOf(const simdrope_config& c) {
  std::string key;
  const simdrope_scaling& s = c.scaling;
  for (int32_t field :
       {c.head_dim, c.rotary_dim, c.rotary_offset, c.split, static_cast<int32_t>(c.pairing),
        static_cast<int32_t>(c.precision), static_cast<int32_t>(s.type), static_cast<int32_t>(s.truncate),
        static_cast<int32_t>(s.attention_factor_given), s.factor_count, c.axes.count,
        static_cast<int32_t>(c.axes.layout), static_cast<int32_t>(c.xpos.center_at_half_length)}) {
    Append(key, field);
  }
  for (int64_t field : {s.original_max_position, s.max_position, s.seq_len}) Append(key, field);
  for (double field :
       {c.theta, s.factor, s.attention_factor, s.low_freq_factor, s.high_freq_factor, s.beta_fast, s.beta_slow,
        s.mscale, s.mscale_all_dim, s.short_mscale, s.long_mscale, s.proportion, c.xpos.scale_base, c.xpos.center,
        c.temperature.beta, c.temperature.length, c.temperature.offset}) {
    Append(key, field);
  }
  Append(key, c.axes.sections);
  const bool has_pair_axis = c.axes.count > 1 && c.axes.layout == SIMDROPE_AXES_EXPLICIT;
  for (int32_t i = 0; has_pair_axis && i < c.axes.pair_axis_count; ++i) Append(key, c.axes.pair_axis[i]);
  const bool has_lists = s.type == SIMDROPE_SCALING_LONGROPE || s.type == SIMDROPE_SCALING_FREQ_FACTORS ||
                         s.type == SIMDROPE_SCALING_EXPLICIT;
  for (int32_t i = 0; has_lists && i < s.factor_count; ++i) {
    Append(key, s.factors[i]);
    if (s.type == SIMDROPE_SCALING_LONGROPE) Append(key, s.long_factors[i]);
  }
  return key;
}

struct Remembered {
  std::string key;
  simdrope_rope* rope;  // one reference
};

struct Memory {
  std::mutex mutex;
  std::list<Remembered> ropes;  // latest first

  ~Memory() {
    for (const Remembered& r : ropes) Release(r.rope);
  }
};

Memory& TheMemory() {
  static Memory memory;
  return memory;
}

// The rope with this key, moved to the front, with a reference more; NULL if there is none.
simdrope_rope* Find(Memory& memory, const std::string& key) {
  for (auto it = memory.ropes.begin(); it != memory.ropes.end(); ++it) {
    if (it->key != key) continue;
    memory.ropes.splice(memory.ropes.begin(), memory.ropes, it);
    Retain(it->rope);
    return it->rope;
  }
  return nullptr;
}

}  // namespace

simdrope_status GetSharedRope(const simdrope_config& config, simdrope_rope** rope) {
  std::unique_ptr<simdrope_rope> made;
  SIMDROPE_TRY(MakeRope(config, &made));  // microseconds, and checks the config
  try {
    std::string key = KeyOf(config);
    Memory& memory = TheMemory();
    const std::lock_guard<std::mutex> lock(memory.mutex);
    *rope = Find(memory, key);
    if (*rope != nullptr) return SIMDROPE_OK;
    memory.ropes.push_front({std::move(key), made.get()});
    *rope = made.release();
    Retain(*rope);
    if (memory.ropes.size() > kRemembered) {
      Release(memory.ropes.back().rope);
      memory.ropes.pop_back();
    }
    return SIMDROPE_OK;
  } catch (const std::bad_alloc&) {
    return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory to remember a rope");
  }
}

}  // namespace simdrope::impl
