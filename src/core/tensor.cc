#include "core/tensor.h"

#include <cstdlib>

#include "core/status.h"

namespace simdrope::impl {
namespace {

struct Axis {
  const char* name;
  int64_t size;
  int64_t stride;
};

struct Axes {
  Axis list[3];
};

// Strides in elements times `unit`.
Axes AxesOf(const simdrope_tensor& t, int64_t unit) {
  return {{{"batch", t.batch, t.batch_stride * unit},
           {"seq", t.seq, t.seq_stride * unit},
           {"head", t.heads, t.head_stride * unit}}};
}

Axes AxesInBytes(const simdrope_tensor& t) { return AxesOf(t, static_cast<int64_t>(SizeOf(t.format))); }

// Bytes from the lowest element's first to the highest's last, of the axes whose |stride| is below
// `limit`.
struct Extent {
  int64_t before = 0;  // below data
  int64_t after = 0;   // from data on
  int64_t total() const { return before + after; }
};

Extent ExtentOf(const simdrope_tensor& t, int64_t limit) {
  Extent extent;
  extent.after = t.head_dim * static_cast<int64_t>(SizeOf(t.format));
  for (const Axis& axis : AxesInBytes(t).list) {
    if (axis.size < 2 || std::llabs(axis.stride) >= limit) continue;
    (axis.stride < 0 ? extent.before : extent.after) += (axis.size - 1) * std::llabs(axis.stride);
  }
  return extent;
}

// Whether every stride is either below `period` or a multiple of it.
bool HasPeriod(const simdrope_tensor& t, int64_t period) {
  for (const Axis& axis : AxesInBytes(t).list) {
    const int64_t stride = std::llabs(axis.stride);
    if (axis.size > 1 && stride >= period && stride % period != 0) return false;
  }
  return true;
}

bool IsDisjoint(const simdrope_tensor& a, const simdrope_tensor& b) {
  const auto a_data = reinterpret_cast<uintptr_t>(a.data);
  const auto b_data = reinterpret_cast<uintptr_t>(b.data);
  const Extent a_all = ExtentOf(a, INT64_MAX);
  const Extent b_all = ExtentOf(b, INT64_MAX);
  if (a_data + static_cast<uintptr_t>(a_all.after) <= b_data - static_cast<uintptr_t>(b_all.before)) return true;
  if (b_data + static_cast<uintptr_t>(b_all.after) <= a_data - static_cast<uintptr_t>(a_all.before)) return true;
  // Slices of one packed tensor: apart within each period of a common stride.
  for (const Axis& axis : AxesInBytes(a).list) {
    const int64_t period = std::llabs(axis.stride);
    if (axis.size < 2 || period == 0 || !HasPeriod(a, period) || !HasPeriod(b, period)) continue;
    const Extent a_in = ExtentOf(a, period);
    const Extent b_in = ExtentOf(b, period);
    const int64_t distance = static_cast<int64_t>((b_data - static_cast<uintptr_t>(b_in.before)) -
                                                  (a_data - static_cast<uintptr_t>(a_in.before)));
    const int64_t offset = ((distance % period) + period) % period;
    if (offset >= a_in.total() && offset + b_in.total() <= period) return true;
  }
  return false;
}

}  // namespace

simdrope_status CheckFormat(const char* name, simdrope_format format) {
  if (format == SIMDROPE_F32 || format == SIMDROPE_F16 || format == SIMDROPE_BF16) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.format = %d is none of f32, f16, bf16", name, static_cast<int>(format));
}

simdrope_status CheckTensor(const char* name, const simdrope_tensor& t, bool is_output) {
  SIMDROPE_TRY(CheckFormat(name, t.format));
  if (t.batch < 0 || t.seq < 0 || t.heads < 0 || t.head_dim < 1) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has sizes [%lld, %lld, %lld, %lld]; none may be negative", name,
                static_cast<long long>(t.batch), static_cast<long long>(t.seq), static_cast<long long>(t.heads),
                static_cast<long long>(t.head_dim));
  }
  int64_t elements;
  if (__builtin_mul_overflow(t.batch, t.seq, &elements) || __builtin_mul_overflow(elements, t.heads, &elements) ||
      __builtin_mul_overflow(elements, t.head_dim, &elements)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has sizes [%lld, %lld, %lld, %lld]: their product overflows", name,
                static_cast<long long>(t.batch), static_cast<long long>(t.seq), static_cast<long long>(t.heads),
                static_cast<long long>(t.head_dim));
  }
  if (elements == 0) return SIMDROPE_OK;
  if (t.data == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.data is NULL, but it has %lld elements", name,
                static_cast<long long>(elements));
  }
  const Axes axes = AxesOf(t, 1);
  int64_t reach = t.head_dim * 4;
  for (const Axis& axis : axes.list) {
    int64_t bytes;
    if (axis.stride == INT64_MIN || __builtin_mul_overflow(axis.size - 1, std::llabs(axis.stride), &bytes) ||
        __builtin_mul_overflow(bytes, 4, &bytes) || __builtin_add_overflow(reach, bytes, &reach)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s: %s size %lld with stride %lld overflows the address range", name,
                  axis.name, static_cast<long long>(axis.size), static_cast<long long>(axis.stride));
    }
  }
  if (!is_output) return SIMDROPE_OK;

  // Each stride steps over all that smaller strides reach.
  for (const Axis& axis : axes.list) {
    if (axis.size < 2) continue;
    const int64_t stride = std::llabs(axis.stride);
    int64_t inner = t.head_dim;
    for (const Axis& other : axes.list) {
      const int64_t smaller = std::llabs(other.stride);
      if (other.size > 1 && smaller < stride) inner += (other.size - 1) * smaller;
    }
    if (stride < inner) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s: %s stride of %lld elements makes elements of this output overlap",
                  name, axis.name, static_cast<long long>(axis.stride));
    }
  }
  return SIMDROPE_OK;
}

simdrope_status CheckDisjoint(const char* a_name, const simdrope_tensor& a, const char* b_name,
                              const simdrope_tensor& b) {
  if (IsEmpty(a) || IsEmpty(b) || IsDisjoint(a, b)) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s and %s overlap without being the same tensor", a_name, b_name);
}

}  // namespace simdrope::impl
