"""Paper mode, other models and the paper's first version: Table 4 and what the first abstract may have meant.

The paper gives no formula for either. These are the simplest ones we found that come close; they are hypotheses,
and their inputs are tagged so.
"""

from numpy import ceil, minimum

from hnlpu.costmodel.sheet import rule

__all__: list[str] = []


@rule("chip", source="hypothesis for Table 4")
def scaled_chips(scaled_weights, fitted_weights_per_chip):
    """Chips of another model; fractions are left in."""
    return scaled_weights / fitted_weights_per_chip


@rule("USD", source="hypothesis for Table 4: the first version's NRE less this version's masks")
def scaled_design_usd(first_version_nre_usd, mask_usd):
    """Design cost of a model of 16 chips."""
    return first_version_nre_usd - mask_usd


@rule("USD", source="hypothesis for Table 4")
def scaled_nre_usd(
    mask_shared_usd, mask_per_chip_usd, scaled_chips, scaled_design_usd, chip_variants
):  # fmt: skip
    """Shared masks, masks per chip, and a design cost that grows with the chips, up to 16."""
    masks = mask_shared_usd + mask_per_chip_usd * scaled_chips
    return masks + scaled_design_usd * minimum(1, scaled_chips / chip_variants)


@rule("USD", source="Table 5 applied to Table 4's models")
def scaled_fixed_design_nre_usd(mask_shared_usd, mask_per_chip_usd, scaled_chips, design_usd):
    """Shared masks, masks of whole chips, and Table 5's design cost."""
    return mask_shared_usd + mask_per_chip_usd * ceil(scaled_chips) + design_usd


@rule("USD", source="Table 4, solved for the design cost of its two large models")
def large_model_design_usd(
    kimi_k2_nre_usd, deepseek_v3_nre_usd, kimi_k2_weights, deepseek_v3_weights,
    fitted_weights_per_chip, mask_shared_usd, mask_per_chip_usd,
):  # fmt: skip
    """Mean of what Table 4's two large models leave after their masks."""
    mean_nre = (kimi_k2_nre_usd + deepseek_v3_nre_usd) / 2
    mean_chips = (kimi_k2_weights + deepseek_v3_weights) / 2 / fitted_weights_per_chip
    return mean_nre - mask_shared_usd - mask_per_chip_usd * mean_chips


@rule("USD", source="hypothesis for the first version's NRE")
def first_version_nre_rebuilt_usd(mask_usd, large_model_design_usd):
    """This version's masks and the design cost that Table 4 leaves."""
    return mask_usd + large_model_design_usd


@rule("1", source="hypothesis for the first version's cost-effectiveness")
def first_version_cost_ratio(
    gpu_speed_ratio, first_version_systems, gpu_node_price, gpus_per_node, first_version_nre_usd,
    respins, mask_variants_usd,
):  # fmt: skip
    """GPUs as fast as some systems by Table 2, over the first version's NRE and the respins' masks."""
    gpus = gpu_speed_ratio * first_version_systems * gpu_node_price / gpus_per_node
    return gpus / (first_version_nre_usd + respins * mask_variants_usd)


@rule("1", source="hypothesis for the first version's carbon ratio")
def first_version_carbon_ratio(
    ownership_equivalence, gpu_carbon, first_version_gpu_power, years, grid_carbon,
    system_power, pue, respins, chips_per_system, module_carbon,
):  # fmt: skip
    """Carbon of a system's GPUs without the facility's overhead, over that of a system with it and with respins."""
    gpus = ownership_equivalence * (gpu_carbon + first_version_gpu_power * years * grid_carbon)
    electricity = system_power * pue * years * grid_carbon
    return gpus / (electricity + (1 + respins) * chips_per_system * module_carbon)
