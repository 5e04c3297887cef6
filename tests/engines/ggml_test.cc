// simdrope in graphs of the real ggml: each mode, type and direction beside ggml's own op and a reference in long
// double.
#include <doctest/doctest.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <simdrope/ggml.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

// ---- allocations of the process, counted

extern "C" void* __libc_malloc(size_t size);
static std::atomic<long> allocations{0};
extern "C" void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}

// docs/from-ggml.md
extern "C" void compute_forward_rope(ggml_tensor* dst, int ith, int nth);

namespace {

struct Case {
  const char* name;
  int mode;
  int head_dim, n_dims, offset;
  int sections[4];
  bool factors;
  int n_ctx_orig;
  float base, freq_scale, ext_factor, attn_factor, beta_fast, beta_slow;
};

const Case kCases[] = {
    {"normal", 0, 128, 128, 0, {}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
    {"normal, a window", 0, 80, 32, 0, {}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
    {"normal, an offset", 0, 96, 32, 16, {}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
    {"normal, linear", 0, 64, 64, 0, {}, false, 0, 1e4f, 0.25f, 0, 1, 0, 0},
    {"neox", 2, 128, 128, 0, {}, false, 4096, 5e5f, 1, 0, 1, 32, 1},
    {"neox, an offset", 2, 128, 64, 32, {}, false, 4096, 5e5f, 1, 0, 1, 32, 1},
    {"neox, freq factors", 2, 128, 128, 0, {}, true, 8192, 5e5f, 1, 0, 1, 32, 1},
    {"neox, yarn", 2, 128, 128, 0, {}, false, 4096, 1e6f, 0.25f, 1, 1, 32, 1},
    {"neox, part of yarn, freq factors", 2, 64, 64, 0, {}, true, 4096, 1e6f, 0.25f, 0.7f, 1.3f, 32, 1},
    {"neox, yarn without n_ctx_orig", 2, 64, 64, 0, {}, false, 0, 1e4f, 0.5f, 1, 1, 32, 1},
    {"neox, yarn that compresses", 2, 64, 64, 0, {}, false, 4096, 1e4f, 1.4245f, 0.7465f, 1.4245f, 32, 1},
    {"neox, attn_factor 0", 2, 64, 64, 0, {}, false, 4096, 1e4f, 1, 0, 0, 32, 1},
    {"mrope", 8, 128, 128, 0, {16, 24, 24, 0}, false, 4096, 1e6f, 1, 0, 1, 32, 1},
    {"mrope, four axes in a window", 8, 128, 80, 0, {10, 10, 10, 10}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
    {"mrope, sections that go round", 8, 128, 128, 0, {10, 8, 0, 3}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
    {"mrope, sections that are cut", 8, 128, 128, 0, {42, 42, 42, 0}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
    {"mrope, freq factors", 8, 128, 128, 0, {16, 24, 24, 0}, true, 4096, 1e6f, 1, 0, 1, 32, 1},
    {"imrope", 40, 128, 128, 0, {24, 20, 20, 0}, false, 4096, 5e6f, 1, 0, 1, 32, 1},
    {"imrope, an offset", 40, 96, 64, 16, {11, 11, 10, 0}, false, 4096, 5e6f, 1, 0, 1, 32, 1},
    {"vision", 24, 80, 40, 0, {20, 20, 0, 0}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
    {"vision, four sections", 24, 128, 64, 0, {16, 16, 16, 16}, false, 4096, 1e4f, 1, 0, 1, 32, 1},
};

constexpr int kHeads = 5, kTokens = 17, kBatch = 2;

struct Graph {
  ggml_context* ctx;
  ggml_tensor *a, *b, *c;
  explicit Graph(const Case& test, ggml_type type, int first_position) {
    ctx = ggml_init({size_t{64} << 20, nullptr, false});
    a = ggml_new_tensor_4d(ctx, type, test.head_dim, kHeads, kTokens, kBatch);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < ggml_nelements(a); ++i) {
      const float x = normal(random);
      if (type == GGML_TYPE_F32) {
        static_cast<float*>(a->data)[i] = x;
      } else {
        static_cast<ggml_fp16_t*>(a->data)[i] = ggml_fp32_to_fp16(x);
      }
    }
    const bool multi = (test.mode & 8) != 0;
    b = ggml_new_tensor_1d(ctx, GGML_TYPE_I32, multi ? 4 * kTokens : kTokens);
    for (int64_t i = 0; i < b->ne[0]; ++i) {
      static_cast<int32_t*>(b->data)[i] = first_position + static_cast<int32_t>(random() % 4000);
    }
    c = nullptr;
    if (test.factors) {
      c = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, test.n_dims / 2);
      for (int64_t i = 0; i < c->ne[0]; ++i) static_cast<float*>(c->data)[i] = 1 + 0.125f * static_cast<float>(i % 9);
    }
  }
  ~Graph() { ggml_free(ctx); }
};

// ggml's own node, or ours, with the functions that a user calls.
ggml_tensor* Node(Graph& g, const Case& t, bool ours, bool back, bool inplace) {
  const bool multi = (t.mode & 8) != 0;
  int sections[4] = {t.sections[0], t.sections[1], t.sections[2], t.sections[3]};
#define ARGUMENTS t.mode, t.n_ctx_orig, t.base, t.freq_scale, t.ext_factor, t.attn_factor, t.beta_fast, t.beta_slow
#define CALL(ext, multi_name)                                              \
  (multi ? multi_name(g.ctx, g.a, g.b, g.c, t.n_dims, sections, ARGUMENTS) \
         : ext(g.ctx, g.a, g.b, g.c, t.n_dims, ARGUMENTS))
  if (t.offset != 0 || !ours) {
    ggml_tensor* node = back      ? CALL(ggml_rope_ext_back, ggml_rope_multi_back)
                        : inplace ? CALL(ggml_rope_ext_inplace, ggml_rope_multi_inplace)
                                  : CALL(ggml_rope_ext, ggml_rope_multi);
    if (t.offset != 0) ggml_rope_set_offset(node, t.offset);
    return ours ? simdrope_ggml_fuse(g.ctx, node) : node;
  }
  return back      ? CALL(simdrope_ggml_rope_ext_back, simdrope_ggml_rope_multi_back)
         : inplace ? CALL(simdrope_ggml_rope_ext_inplace, simdrope_ggml_rope_multi_inplace)
                   : CALL(simdrope_ggml_rope_ext, simdrope_ggml_rope_multi);
#undef CALL
#undef ARGUMENTS
}

std::vector<double> Values(const ggml_tensor* t) {
  std::vector<double> values(static_cast<size_t>(ggml_nelements(t)));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = t->type == GGML_TYPE_F32
                    ? static_cast<double>(static_cast<float*>(t->data)[i])
                    : static_cast<double>(ggml_fp16_to_fp32(static_cast<ggml_fp16_t*>(t->data)[i]));
  }
  return values;
}

// ggml's CPU backend, which it may have as a plugin.
ggml_backend_t Cpu(int threads) {
  static ggml_backend_t cpu = [] {
    ggml_backend_load_all();
    return ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
  }();
  REQUIRE(cpu != nullptr);
  static auto set_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(
      ggml_backend_dev_backend_reg(ggml_backend_get_device(cpu)), "ggml_backend_set_n_threads"));
  REQUIRE((set_threads != nullptr));
  set_threads(cpu, threads);
  return cpu;
}

std::vector<double> Compute(ggml_context* ctx, ggml_tensor* node, int threads, long* allocated = nullptr) {
  ggml_cgraph* graph = ggml_new_graph(ctx);
  ggml_build_forward_expand(graph, node);
  ggml_backend_t cpu = Cpu(threads);
  const long before = allocations;
  REQUIRE(ggml_backend_graph_compute(cpu, graph) == GGML_STATUS_SUCCESS);
  if (allocated != nullptr) *allocated = allocations - before;
  return Values(node);
}

// What ggml's documentation and kernel define, without their rounding.
std::vector<double> Reference(const Graph& g, const Case& t, bool back) {
  std::vector<double> out = Values(g.a);
  const auto* pos = static_cast<const int32_t*>(g.b->data);
  const bool vision = t.mode == 24, multi = (t.mode & 8) != 0;
  const int pairs = vision ? t.n_dims : t.n_dims / 2;
  const int sum = t.sections[0] + t.sections[1] + t.sections[2] + t.sections[3];
  const int ends[4] = {t.sections[0], t.sections[0] + t.sections[1], sum - t.sections[3], sum};
  const double pi2 = 6.283185307179586;
  double low = std::floor(t.n_dims * std::log(t.n_ctx_orig / (t.beta_fast * pi2)) / (2 * std::log(double{t.base})));
  double high = std::ceil(t.n_dims * std::log(t.n_ctx_orig / (t.beta_slow * pi2)) / (2 * std::log(double{t.base})));
  low = std::max(low, 0.0);
  high = std::min(high, t.n_dims - 1.0);
  for (int batch = 0; batch < kBatch; ++batch) {
    for (int s = 0; s < kTokens; ++s) {
      for (int i = 0; i < pairs; ++i) {
        int axis = 0, exponent = i;
        if (multi) {
          const int sector = i % sum;
          if (t.mode == 40) {
            axis = 3;
            for (int k = 0; k < 3; ++k) {
              if (sector % 3 == k && sector < 3 * t.sections[k]) axis = k;
            }
          } else {
            for (int k = 0; k < 3; ++k) axis += sector >= ends[k];
            if (vision) exponent = sector - (axis == 0 ? 0 : ends[axis - 1]);
          }
        }
        const long double p = pos[axis * kTokens + s];
        const long double angle = p * std::pow(static_cast<long double>(t.base), -2.0L * exponent / t.n_dims) /
                                  (t.factors ? 1 + 0.125L * (i % 9) : 1);
        long double theta = t.freq_scale * angle;
        long double magnitude = t.attn_factor;
        if (t.ext_factor != 0) {
          const long double y = (i - low) / std::max(0.001, high - low);
          const long double mix = (1 - std::min(1.0L, std::max(0.0L, y))) * t.ext_factor;
          theta = theta * (1 - mix) + angle * mix;
          magnitude *= 1 - 0.1L * std::log(static_cast<long double>(t.freq_scale));
        }
        const long double cos = std::cos(theta) * magnitude, sin = std::sin(theta) * magnitude * (back ? -1 : 1);
        for (int h = 0; h < kHeads; ++h) {
          double* head = &out[static_cast<size_t>(((batch * kTokens + s) * kHeads + h) * t.head_dim + t.offset)];
          double& x = head[t.mode == 0 ? 2 * i : i];
          double& y = head[t.mode == 0 ? 2 * i + 1 : i + (vision ? t.n_dims : t.n_dims / 2)];
          const long double old_x = x, old_y = y;
          x = static_cast<double>(old_x * cos - old_y * sin);
          y = static_cast<double>(old_x * sin + old_y * cos);
        }
      }
    }
  }
  return out;
}

// Normalised mean squared error.
double Error(const std::vector<double>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return difference / (size == 0 ? 1 : size);
}

}  // namespace

TEST_CASE("each mode, type and direction is at least as near to the reference as ggml's own op") {
  int compared = 0;
  for (const Case& test : kCases) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16}) {
      for (const int first : {0, 100000}) {
        for (const bool back : {false, true}) {
          Graph g(test, type, first);
          const std::vector<double> want = Reference(g, test, back);
          const double theirs = Error(Compute(g.ctx, Node(g, test, false, back, false), 1), want);
          ggml_tensor* node = Node(g, test, true, back, false);
          CAPTURE(test.name);
          CAPTURE(ggml_type_name(type));
          CAPTURE(back);
          CAPTURE(first);
          REQUIRE(node->op == GGML_OP_CUSTOM);
          const std::vector<double> got = Compute(g.ctx, node, 1);
          const double ours = Error(got, want);
          // In f16 both errors are that of one rounding, where they agree on all but a few ties.
          CHECK(ours <= theirs * (type == GGML_TYPE_F16 ? 1.0001 : 1));
          CHECK(ours < (type == GGML_TYPE_F16 ? 1e-6 : 1e-13));
          CHECK(Compute(g.ctx, Node(g, test, true, back, false), 2) == got);
          ggml_tensor* documented = Node(g, test, false, back, false);
          compute_forward_rope(documented, 0, 2);
          compute_forward_rope(documented, 1, 2);
          CHECK(Values(documented) == got);
          if (!back) {
            CHECK(Compute(g.ctx, Node(g, test, true, false, true), 2) == got);
            CHECK(Values(g.a) == got);
          }
          if (type == GGML_TYPE_F32 && first > 0 && !back) {
            std::printf("%-36s NMSE of ggml %.1e, of simdrope %.1e\n", test.name, theirs, ours);
          }
          ++compared;
        }
      }
    }
  }
  CHECK(compared == 8 * static_cast<int>(std::size(kCases)));
}

TEST_CASE("views with strides of their own") {
  const Case& test = kCases[4];
  Graph g(test, GGML_TYPE_F32, 7);
  const std::vector<double> want = Reference(g, test, false);
  // The same heads, as a part of wider rows.
  ggml_tensor* wide = ggml_new_tensor_4d(g.ctx, GGML_TYPE_F32, test.head_dim * kHeads * 3, kTokens, kBatch, 1);
  ggml_tensor* view = ggml_view_4d(g.ctx, wide, test.head_dim, kHeads, kTokens, kBatch, test.head_dim * 4ull,
                                   wide->nb[1], wide->nb[2], test.head_dim * kHeads * 4ull);
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t s = 0; s < kTokens; ++s) {
      std::memcpy(static_cast<char*>(view->data) + b * view->nb[3] + s * view->nb[2],
                  static_cast<char*>(g.a->data) + b * g.a->nb[3] + s * g.a->nb[2], g.a->nb[2]);
    }
  }
  g.a = view;
  ggml_tensor* node = Node(g, test, true, false, false);
  REQUIRE(node->op == GGML_OP_CUSTOM);
  CHECK(Error(Compute(g.ctx, node, 2), want) < 1e-13);
}

TEST_CASE("a graph that has run once allocates nothing of ours") {
  for (const Case& test : {kCases[0], kCases[6], kCases[12]}) {
    Graph g(test, GGML_TYPE_F32, 0);
    ggml_tensor* theirs = Node(g, test, false, false, false);
    ggml_tensor* ours = Node(g, test, true, false, false);
    long base = 0, count = 0;
    Compute(g.ctx, ours, 1);
    Compute(g.ctx, theirs, 1, &base);
    Compute(g.ctx, ours, 1, &count);
    CHECK(count <= base);
  }
}

TEST_CASE("freq factors may change between runs, and come after the graph is built") {
  const Case& test = kCases[6];
  Graph g(test, GGML_TYPE_F32, 5);
  auto* c = static_cast<float*>(g.c->data);
  const std::vector<float> good(c, c + test.n_dims / 2);
  for (int i = 0; i < test.n_dims / 2; ++i) c[i] = NAN;
  ggml_tensor* node = Node(g, test, true, false, false);
  REQUIRE(node->op == GGML_OP_CUSTOM);
  std::copy(good.begin(), good.end(), c);
  CHECK(Error(Compute(g.ctx, node, 1), Reference(g, test, false)) < 1e-13);
  for (int i = 0; i < test.n_dims / 2; ++i) c[i] = 2;
  CHECK(Error(Compute(g.ctx, node, 2), Compute(g.ctx, Node(g, test, false, false, false), 1)) < 1e-6);
}

TEST_CASE("norm, weight, rotation and the write into a cache, in one op") {
  int compared = 0;
  for (const Case& test : {kCases[0], kCases[4], kCases[6], kCases[7]}) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0}) {
      Graph g(test, GGML_TYPE_F32, 3);
      ggml_context* ctx = g.ctx;
      g.a = ggml_view_3d(ctx, g.a, g.a->ne[0], kHeads, kTokens, g.a->nb[1], g.a->nb[2], 0);  // of one sequence
      ggml_tensor* weight = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, test.head_dim);
      for (int i = 0; i < test.head_dim; ++i)
        static_cast<float*>(weight->data)[i] = 0.5f + 0.01f * static_cast<float>(i);
      ggml_tensor* ids = ggml_new_tensor_1d(ctx, GGML_TYPE_I64, kTokens);
      for (int i = 0; i < kTokens; ++i) static_cast<int64_t*>(ids->data)[i] = (i * 7 + 3) % 40;
      const auto chain = [&](ggml_tensor* cache) {
        std::memset(cache->data, 0, ggml_nbytes(cache));
        g.a = ggml_view_tensor(ctx, g.a);
        Graph& graph = g;
        ggml_tensor* const a = graph.a;
        graph.a = ggml_mul(ctx, ggml_rms_norm(ctx, a, 1e-6f), weight);
        ggml_tensor* rope = Node(graph, test, false, false, false);
        graph.a = a;
        return ggml_set_rows(ctx, cache, ggml_reshape_2d(ctx, rope, test.head_dim * kHeads, kTokens), ids);
      };
      // f32 caches of ggml's and ours first: how far apart the values are before the format rounds them.
      ggml_tensor* theirs = ggml_new_tensor_2d(ctx, type, test.head_dim * kHeads, 40);
      ggml_tensor* ours = ggml_new_tensor_2d(ctx, type, test.head_dim * kHeads, 40);
      ggml_tensor* node = simdrope_ggml_fuse(ctx, chain(ours));
      CAPTURE(test.name);
      CAPTURE(ggml_type_name(type));
      REQUIRE(node->op == GGML_OP_CUSTOM);
      ggml_cgraph* graph = ggml_new_graph(ctx);
      ggml_build_forward_expand(graph, node);
      ggml_build_forward_expand(graph, chain(theirs));
      REQUIRE(ggml_backend_graph_compute(Cpu(2), graph) == GGML_STATUS_SUCCESS);
      const auto values = [&](const ggml_tensor* t) {
        std::vector<float> floats(static_cast<size_t>(ggml_nelements(t)));
        if (type == GGML_TYPE_F32) {
          std::memcpy(floats.data(), t->data, ggml_nbytes(t));
        } else {
          ggml_get_type_traits(type)->to_float(t->data, floats.data(), ggml_nelements(t));
        }
        return std::vector<double>(floats.begin(), floats.end());
      };
      // A value on the border of two quants may fall either way: a few of them.
      const double bound = type == GGML_TYPE_F32 ? 1e-7 : type == GGML_TYPE_Q4_0 ? 1e-3 : 1e-5;
      CHECK(Error(values(ours), values(theirs)) < bound);
      ++compared;
    }
  }
  CHECK(compared == 20);
}

TEST_CASE("what simdrope cannot do stays ggml's") {
  Case test = kCases[0];
  test.head_dim = 2048;
  test.n_dims = 64;
  Graph g(test, GGML_TYPE_F32, 0);
  CHECK(Node(g, test, true, false, false)->op == GGML_OP_ROPE);
  simdrope_ggml_config config;
  int32_t params[16] = {0, 64, 5};
  CHECK(simdrope_config_from_ggml(&config, 64, params, nullptr, 0) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(std::string(config.message) == "mode is 5, wanted 0, 2, 8, 24 or 40");
  CHECK(simdrope_config_from_ggml(&config, 2048, params, nullptr, 0) == SIMDROPE_UNSUPPORTED);
}
