#include "roofs.h"

#include <cstring>

#include "implementations/implementation.h"
#include "pool.h"

#if defined(__x86_64__)
#include "roofs_x86.h"
#endif

namespace simdrope::bench {
namespace {

void CopyMemcpy(const Span& s) { std::memcpy(s.out, s.in, static_cast<size_t>(s.bytes)); }

#if !defined(__x86_64__)
// Multiplied into the data and unknown to the compiler; 1, so that the data stays in range for ever.
volatile float one = 1.0f;

template <class T>
void MultiplyPlain(const Span& s) {
  const T factor = static_cast<T>(one);
  for (int64_t r = 0; r < s.count; ++r) {
    T* data = reinterpret_cast<T*>(s.out + r * s.stride);
    for (int64_t i = 0; i < s.bytes / static_cast<int64_t>(sizeof(T)); ++i) data[i] = static_cast<T>(data[i] * factor);
  }
}
void ConvertPlain(const Span& s) {
  const float factor = one;
  for (int64_t r = 0; r < s.count; ++r) {
    auto* data = reinterpret_cast<uint16_t*>(s.out + r * s.stride);
    for (int64_t i = 0; i < s.bytes / 2; ++i) {
      const auto bits = std::bit_cast<uint32_t>(std::bit_cast<float>(uint32_t{data[i]} << 16) * factor);
      data[i] = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
  }
}
#endif

class Roof : public Implementation {
 public:
  // With `alone`, one thread whatever the case allows: the faster way where little is to be moved.
  Roof(Format format, Mode mode, RoofKernel kernel, bool alone)
      : format_(format), mode_(mode), kernel_(std::move(kernel)), alone_(alone) {}

  std::string name() const override { return kernel_.name + (alone_ ? "@1" : ""); }
  bool rotates() const override { return false; }
  std::string Refuses(const Case& c) const override {
    if (c.format != format_ || c.mode != mode_) return "of another dtype or mode";
    const bool whole_tokens = c.workload.layout == Layout::kBSHD && c.workload.whole_heads();
    if (kernel_.reads != Reads::kData && !whole_tokens) return "for whole tokens of BSHD";
    if (alone_ && (c.threads == 1 || c.bytes_moved() > kLittle)) return "as the others";
    return "";
  }
  void Prepare(const Job& job) override {
    const int threads = alone_ ? 1 : job.c.threads;
    spans_ = SpansOf(job, threads, kernel_.reads);
    pool_ = &Pool::Of(threads);
    task_ = [this](int index) {
      for (const Span& span : spans_[index]) kernel_.walk(span);
    };
  }
  void Run() override {
    if (spans_.size() == 1) {
      for (const Span& span : spans_[0]) kernel_.walk(span);
    } else {
      pool_->Run(task_);
    }
  }

 private:
  static constexpr int64_t kLittle = int64_t{4} << 20;  // bytes

  Format format_;
  Mode mode_;
  RoofKernel kernel_;
  bool alone_;
  std::vector<std::vector<Span>> spans_;
  Pool* pool_ = nullptr;
  Pool::Task task_;
};

}  // namespace

std::vector<RoofKernel> RoofKernels(Format format, Mode mode) {
  std::vector<RoofKernel> kernels;
#if defined(__x86_64__)
  kernels = x86::RoofKernels(format, mode);
#else
  if (mode == Mode::kInPlace) {
    kernels.push_back({"roof.plain", format == f32 ? MultiplyPlain<float> : MultiplyPlain<uint16_t>});
    if (format == bf16) kernels.push_back({"roof-convert.plain", ConvertPlain});
  }
#endif
  if (mode == Mode::kOutOfPlace) kernels.push_back({"roof.memcpy", CopyMemcpy});
  return kernels;
}

Implementations MakeRoofs() {
  Implementations implementations;
  for (Format format : {f32, f16, bf16}) {
    for (Mode mode : {Mode::kInPlace, Mode::kOutOfPlace}) {
      for (const RoofKernel& kernel : RoofKernels(format, mode)) {
        for (const bool alone : {false, true}) {
          implementations.push_back(std::make_unique<Roof>(format, mode, kernel, alone));
        }
      }
    }
  }
  return implementations;
}

}  // namespace simdrope::bench
