// Calls of apply, and of get_rope, for check-speed, which compiles this against two versions of simdrope: the least of
// the API that version 0.1.0 has too. On one thread, in place, half pairing.
//
// usage: speed_cases            prints "CASE FORMAT NANOSECONDS" for each, a call's median
//        speed_cases CASE N     N calls of a case in f32, inside Calls(), for callgrind
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <simdrope/simdrope.hpp>
#include <vector>

namespace {

struct Case {
  const char* name;
  int64_t batch, seq, q_heads, k_heads, head_dim, rotary_dim, grid;
  bool heads_first;  // [B, H, S, D]
  bool prepared;     // cos and sin computed before
};

constexpr Case kCases[] = {
    {"prefill", 1, 2048, 32, 8, 128, 128, 0, false, false}, {"decode32", 32, 1, 32, 8, 128, 128, 0, false, false},
    {"decode1", 1, 1, 32, 8, 128, 128, 0, false, false},    {"decode1-rows", 1, 1, 32, 8, 128, 128, 0, false, true},
    {"block64", 1, 64, 32, 8, 128, 128, 0, false, false},   {"gptj", 1, 2048, 16, 16, 256, 64, 0, false, false},
    {"vision", 1, 4096, 16, 16, 80, 80, 64, false, false},  {"bhsd", 1, 2048, 32, 8, 128, 128, 0, true, false},
};

struct Job {
  Job(const Case& c, int format) : config(static_cast<int>(c.head_dim), 5e5) {
    config.rotary_dim = static_cast<int32_t>(c.rotary_dim);
    if (c.grid != 0) {
      config.axes.count = 2;
      config.axes.layout = SIMDROPE_AXES_RESTART;
      config.axes.sections[0] = config.axes.sections[1] = static_cast<int32_t>(c.rotary_dim / 4);
      for (int64_t i = 0; i < c.seq; ++i) ids.push_back(i / c.grid);
      for (int64_t i = 0; i < c.seq; ++i) ids.push_back(i % c.grid);
      positions.ids = ids.data();
      positions.ids_type = SIMDROPE_INDEX_I64;
      positions.ids_axes = 2;
      positions.ids_batch = 1;
      positions.ids_seq = c.seq;
      positions.axis_stride = c.seq;
    } else {
      positions.start = 4000;
    }
    rope = simdrope::Rope::create(config);
    q = TensorOf(c, c.q_heads, format);
    k = TensorOf(c, c.k_heads, format);
    options.threads = 1;
    if (!rope.ok()) std::exit(3);
    if (c.prepared) rows = rope->cos_sin(positions, c.batch, c.seq);
    if (c.prepared) {
      source = *rows;
    } else {
      source = rope->stream(positions);
    }
  }

  simdrope::Tensor TensorOf(const Case& c, int64_t heads, int format) {
    const size_t elements = static_cast<size_t>(c.batch * c.seq * heads * c.head_dim);
    const size_t size = format == 0 ? 4 : 2;
    void* data = std::aligned_alloc(4096, (elements * size + 4095) / 4096 * 4096);
    // Normal numbers near 1 in every format.
    const uint32_t one = format == 0 ? 0x3f800000u : format == 1 ? 0x3c00u : 0x3f80u;
    for (size_t i = 0; i < elements; ++i) {
      const uint32_t bits = one | (static_cast<uint32_t>(i * 2654435761u) >> 28) << (format == 0   ? 19
                                                                                     : format == 1 ? 6
                                                                                                   : 3);
      std::memcpy(static_cast<char*>(data) + i * size, &bits, size);
    }
    const auto stored = format == 0 ? simdrope::f32 : format == 1 ? simdrope::f16 : simdrope::bf16;
    return c.heads_first ? simdrope::bhsd(data, stored, c.batch, c.seq, heads, c.head_dim)
                         : simdrope::bshd(data, stored, c.batch, c.seq, heads, c.head_dim);
  }

  bool Run() const { return simdrope::apply(source, q, k, options).ok(); }
  void Free() {
    std::free(q.data);
    std::free(k.data);
  }

  simdrope::Config config;
  std::vector<int64_t> ids;
  simdrope::Positions positions;
  simdrope::Result<simdrope::Rope> rope{simdrope::Rope::create(simdrope::Config(2))};
  simdrope::Result<simdrope::CosSin> rows{rope->cos_sin({}, 1, 1)};
  simdrope_cos_sin source = SIMDROPE_COS_SIN_INIT;
  simdrope::Options options;
  simdrope::Tensor q, k;
};

// get_rope of a config that it has already.
struct Lookup {
  bool Run() const { return simdrope::get_rope(config).ok(); }
  simdrope::Config config{128, 5e5};
};

template <class Job>
double Nanoseconds(const Job& job, int64_t calls) {
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < calls; ++i) {
    if (!job.Run()) std::exit(4);
  }
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() /
         static_cast<double>(calls);
}

// The median of batches of 0.2 ms or one call each, over 25 ms and at least five.
template <class Job>
double Median(const Job& job) {
  const double once = std::min(Nanoseconds(job, 2), Nanoseconds(job, 2));
  const auto calls = static_cast<int64_t>(std::max(1.0, 2e5 / once));
  std::vector<double> times;
  for (double total = 0; total < 2.5e7 || times.size() < 5;) {
    times.push_back(Nanoseconds(job, calls));
    total += times.back() * static_cast<double>(calls);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

}  // namespace

extern "C" __attribute__((noinline)) void Calls(const void* job, int64_t calls) {
  for (int64_t i = 0; i < calls; ++i) static_cast<const Job*>(job)->Run();
}

int main(int argc, char** argv) {
  constexpr const char* kFormats[] = {"f32", "f16", "bf16"};
  for (const Case& c : kCases) {
    if (argc == 3 && std::strcmp(argv[1], c.name) != 0) continue;
    for (int format = 0; format < (argc == 3 ? 1 : 3); ++format) {
      Job job(c, format);
      if (argc == 3) {
        job.Run();
        Calls(&job, std::atoll(argv[2]));
      } else {
        std::printf("%s %s %.1f\n", c.name, kFormats[format], Median(job));
      }
      job.Free();
    }
  }
  if (argc != 3) {
    const Lookup lookup;
    const auto kept = simdrope::get_rope(lookup.config);
    std::printf("get_rope - %.1f\n", Median(lookup));
  }
}
