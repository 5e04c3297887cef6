// What a model file means beyond what it says: one row for each family of models, read by the readers of
// config.json and of GGUF, by `simdrope model --families`, by docs/models.md and by the tests. A new model is a row.
#ifndef SIMDROPE_IO_FAMILY_H_
#define SIMDROPE_IO_FAMILY_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <simdrope/io.hpp>
#include <span>
#include <string>
#include <string_view>

namespace simdrope::io {

constexpr int64_t kMaxLayers = 4096;  // of a model

enum class FileType : uint8_t { config_json, gguf };

enum class Answer : uint8_t {
  rope,
  no_rope,  // these models use none
  refused   // their RoPE cannot be told from such a file; `note` says why
};

// A key that lists something for each layer, and the layer types that this makes.
struct LayerList {
  enum class Form : uint8_t {
    flags,    // a number for each layer: 0 is `others`, any other is `listed`
    indices,  // the numbers of the layers that are `listed`
    names     // the type of each layer; a shorter list repeats
  };
  std::string_view key{};  // "": none
  Form form = Form::flags;
  std::string_view listed{};
  std::string_view others{};
  std::string_view absent{};  // the list of a file without the key, as JSON; "": nothing tells the layers apart
};

// Layers told apart by their number, where no list does.
struct Period {
  // last_and_rest: the last of each period, and all that are left beyond the last whole one.
  enum class Phase : uint8_t { last, first, first_and_last, from_the_end, middle, last_and_rest };
  int32_t length = 0;  // one layer in so many is of type `one`; 0: all layers are alike
  std::string_view one = "full_attention";
  std::string_view others = "sliding_attention";
  Phase phase = Phase::last;  // which of a period is the one
};

// How the layers of one type differ from what the file says for all of them.
struct Kind {
  enum class Rotates : uint8_t {
    yes,
    no,
    unless_window  // only where the file has no sliding window
  };
  std::string_view type{};  // one or more, separated by spaces; "": an unused entry
  Rotates rotates = Rotates::yes;
  double theta = 0;               // 0: the model's
  std::string_view theta_keys{};  // keys that give it, separated by spaces
  bool unscaled = false;          // the scaling is for other layers
  double fraction = 0;            // GGUF: of rope.dimension_count; 0: all of it
  int32_t head_dim = 0;           // 0: the model's
  std::string_view head_dim_key{};
  std::string_view rope{};         // its entry of rope_parameters where the file has none, as JSON
  std::string_view entry{};        // how rope_parameters calls it, if not by `type`
  std::string_view q_heads_key{};  // "": as many heads as the model says
  std::string_view k_heads_key{};
  std::string_view k_heads_if{};  // a key that must be true for k_heads_key to count; "": none
  double attention_factor = 0;    // unless the file gives one; 0: what the scaling prescribes
  bool plain_heads = false;       // of a model with latent attention: head_dim elements, half pairs from the first on
};

// A key that decides that a model has no RoPE, or is read as another family.
struct Switch {
  enum class When : uint8_t { is, is_not };
  std::string_view key{};    // "": none
  When when = When::is;      // an absent key is null
  std::string_view value{};  // as JSON
  std::string_view as{};     // the family it is read as then; "": no RoPE
};

// A theta that grows with the length n of the sequence, at least the trained one: by NTK scaling with
// alpha = max(2^ceil(log2(n / base) + 1) - 1, 1). Beyond the trained length attention is scaled by 0.1 ln(n / trained)
// + 1.
struct GrowingTheta {
  std::string_view base_key{};     // "": none
  int64_t base = 0;                // where the file does not say it
  std::string_view trained_key{};  // "": n counts from the base on, and attention is not scaled
  std::string_view if_key{};       // a key that must be true; "": none
};

// GGUF: whether rope.dimension_sections are position axes, with half pairs.
enum class GgufAxes : uint8_t { no, if_told, always };

struct Sizes {
  int32_t hidden = 0;
  int32_t heads = 0;
  int32_t layers = 0;
  int64_t max_position = 0;
  int32_t k_heads = 0;  // 0: as many as `heads`
};

struct Family {
  std::string_view names{};  // model types, or GGUF architectures, separated by spaces
  Pairing pairing = half;
  Answer answer = Answer::rope;
  std::string_view note{};  // why, for the other answers; else a remark
  // Class defaults, where the file says nothing. 0: none.
  double theta = 10000.0;
  double fraction = 1.0;   // of head_dim that turns
  int32_t rotary_dim = 0;  // 0: by fraction
  int32_t head_dim = 0;    // 0: hidden / heads
  Sizes sizes{};
  int32_t plain_dim = 0;            // latent attention: elements of a head before the rotated ones,
  int32_t rope_dim = 0;             // and rotated ones
  bool latent = false;              // q and k heads are [plain | rotated], the sizes in keys qk_*_head_dim
  bool window_last = false;         // the window is the head's end, not its beginning
  bool reversed = false;            // it turns the other way
  std::string_view rope{};          // rope_parameters of a file without any, as JSON
  std::string_view requires_key{};  // without it nothing is known
  std::string_view keys{};          // its own names of keys: "rope_theta=rotary_embedding_base ..."
  std::string_view text{};          // model_type of a nested language model that does not say it
  // The rows of its projections.
  QkvRows qkv_rows = QkvRows::by_name;
  bool query_gate = false;
  // How layers are told apart, and what that means.
  LayerList list{};
  bool layer_types = true;  // whether the key layer_types tells which layers rotate
  Period period{};
  std::array<Kind, 3> kinds{};
  bool dense_rotates = false;  // leading dense layers (first_k_dense_replace) rotate, whatever their kind does
  // Several position axes.
  simdrope_axis_layout layout = SIMDROPE_AXES_SECTIONS;  // what mrope_section means
  std::array<int32_t, 3> sections{};                     // 0: one axis
  int32_t grid_axes =
      0;  // a vision tower: 2 axes (H, W) or 3 (T, H, W) of equal parts of the head, laid out as `layout`
  bool pairs_in_sections = false;  // half pairs are made inside the part of each axis
  simdrope_angle_order angle_order = SIMDROPE_ANGLES_OF_PAIRS;
  std::array<Switch, 2> switches{};
  GrowingTheta growing{};
  // Keys whose value is known already, "key=json ..."; with another value the file is refused.
  std::string_view known_values{};
  std::string_view rope_types{};      // rope types that only its own code knows: "3D video_rope" (Ming)
  int64_t original_max_position = 0;  // of its class; beside rope_parameters, and counts before what is in it
  // Queries of layers without RoPE are scaled (Llama 4).
  simdrope_temperature nope_temperature{0, 0, 0};
  // Sparse attention: a second RoPE of the indexer, over the first `rope_dim` of index_head_dim elements.
  bool indexer = false;
  bool indexer_interleaved = false;
  // GGUF only.
  GgufAxes axes = GgufAxes::no;
  bool needs_window = false;          // without a sliding window all layers are alike
  int32_t period_layers = 0;          // the period is that of a model with so many layers; 0: any
  int32_t rope_layers = 0;            // only a model with so many layers has RoPE; 0: any
  bool tenth_log_multiplier = false;  // GGUF: the converter wrote yarn_log_multiplier times 0.1
  std::string_view source{};          // "": transformers' or llama.cpp's own file of that name

  const Kind* kind(std::string_view type) const;  // NULL: nothing differs
};

// A table of families; `more` comes first.
struct Families {
  std::span<const Family> more;
  // NULL: not known.
  const Family* find(FileType file, std::string_view name) const;
  // The known name most like `name`; "": none is like it.
  std::string nearest(FileType file, std::string_view name) const;
};

std::span<const Family> families(FileType file);
std::span<const Family> config_families();
std::span<const Family> gguf_families();

// The vision towers of Qwen2-VL, 2.5-VL, 3-VL and 3.5, whose model_type may be that of the whole model.
extern const Family kQwenVision;

// Calls take(word) for each word of a list separated by spaces; stops and returns true when it does.
template <class Take>
bool any_word(std::string_view list, Take take) {
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(' ', begin), list.size());
    if (end > begin && take(list.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_FAMILY_H_
