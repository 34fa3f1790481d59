"""Cost model: silicon, masks, speed and energy of a hardwired model, beside GPUs."""
