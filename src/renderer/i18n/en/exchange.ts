export const exchangeTexts = {
  exchange: {
    importMachine: 'Import a machine…', importTitle: 'Import a machine', file: 'File', fileHint: 'A bundle, an OVA or OVF package, or a machine of VirtualBox (.vbox), VMware (.vmx), UTM (.utm) or quickemu (.conf)',
    name: 'Name', look: 'Look at it', import: 'Import', importing: 'Importing', found: 'A machine of {{source}} with {{memory}} of memory; disks: {{disks}}',
    source: { virtualbox: 'VirtualBox', vmware: 'VMware', utm: 'UTM', quickemu: 'quickemu', ovf: 'an OVF package' },
    leftOutTitle: 'There is no place for this, or it becomes something else:', takeOutside: 'Take these files, too, which are outside its folder',
    leftOut: {
      processors: 'Processors', memory: 'Memory', firmware: 'Firmware', disk: 'Disk', 'disk-bus': 'Disk controller', disc: 'Disc', floppy: 'Floppy disk', 'network-model': 'Network card',
      'network-mode': 'Network', forward: 'Forwarded port', 'shared-folder': 'Shared folder', usb: 'USB', sound: 'Sound', graphics: 'Graphics', tpm: 'TPM', 'secure-boot': 'Secure boot', 'serial-port': 'Serial port',
      'parallel-port': 'Parallel port', snapshots: 'Snapshots', 'nested-machines': 'Further machine', 'guest-settings': 'Settings of the guest', setting: 'Setting',
    },
    exportMachine: 'Export…', exportTitle: 'Export {{name}}', way: 'For whom', ways: { ova: 'VirtualBox, VMware and others (OVA package)', guestvmz: 'Guesthouse, with snapshots (bundle)', qemu: 'QEMU (command line)' },
    target: 'File', export: 'Export', exporting: 'Exporting', exported: '{{name}} was exported to {{path}}', command: 'Command line', showCommand: 'Show the command line',
    sign: 'Sign it', signHint: 'With this computer’s key. Whoever gets the bundle sees that nobody has changed it',
    replicateMachine: 'Replicate…', replicateTitle: 'Replicate {{name}}', replicaFolder: 'Folder of the replica', replicaHint: 'One for each machine. Only what has changed is copied, also while it runs',
    interval: 'From now on', intervals: { never: 'Only now', hourly: 'Every hour', sixHourly: 'Every six hours', daily: 'Every day', weekly: 'Every week' },
    replicate: 'Replicate now', replicating: 'Replicating', replicated: '{{name}} was replicated: {{size}} new',
    generations: 'What is in the replica', generation: '{{time}}, {{size}} new', restoreGeneration: 'Make a machine of it', restoring: 'Copying from the replica',
    makeTemplate: 'Make it a template', noTemplate: 'No template any more', isTemplate: 'Template', templateHint: 'There to be cloned; it doesn’t start itself', resetSave: 'Save',
    resetOnOff: 'Reset when it goes off…', resetTitle: 'When {{name}} goes off', resetTo: 'It becomes', resetNever: 'What it is', resetNone: 'It has no snapshots yet: take one first', resetHint: 'What was done since is lost then',
  },
} as const;
