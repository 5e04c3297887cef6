// Tables of cos and sin in arrays, in the forms that engines hold them in.
#ifndef SIMDROPE_TOOLS_TABLE_FORMS_H_
#define SIMDROPE_TOOLS_TABLE_FORMS_H_

#include <cstdint>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>

#include "names.h"

namespace simdrope::tool {

enum class TableForm { kHalf, kDoubledHalves, kDoubledElements, kCosSin, kSinCos, kComplex };

inline constexpr Named<TableForm> kTableForms[] = {
    {"half", TableForm::kHalf},
    {"doubled-halves", TableForm::kDoubledHalves},
    {"doubled-elements", TableForm::kDoubledElements},
    {"cos-sin", TableForm::kCosSin},
    {"sin-cos", TableForm::kSinCos},
    {"complex", TableForm::kComplex},
};

// Whether one array holds both.
inline bool IsJoined(TableForm form) { return form >= TableForm::kCosSin; }

struct TableArrays {
  io::Array cos;  // of a joined form: all
  io::Array sin;
};

// [rows, ...], or [batch, rows, ...] where batch > 1.
TableArrays MakeTableArrays(TableForm form, Format format, int64_t batch, int64_t rows, int pairs);

// A view of the arrays; fails where their shapes do not fit each other or the form.
Table TableOf(TableArrays& arrays, TableForm form, Format format);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_TABLE_FORMS_H_
