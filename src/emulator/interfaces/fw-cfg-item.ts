/**
 * What the fw_cfg device offers the firmware: an item under a fixed key, or a file that is found by its name through
 * the directory. The bytes are kept, not copied: whoever made them doesn't change them.
 */
export type FwCfgItem =
  | { readonly key: number; readonly bytes: Uint8Array }
  | { readonly name: string; readonly bytes: Uint8Array };
